/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPU this is, for what was measured on it.
 */
#ifndef AX_BASE_CPU_H
#define AX_BASE_CPU_H

#include "base/compiler.h"

#define AX_CPU_NAME_BYTES 112

/* Its brand, without blanks at the ends, and what tells CPUs of one brand apart: "AMD EPYC 9R14
 * 96-Core Processor (family 25, model 17, stepping 1)"; where CPUs do not tell theirs, the
 * architecture. Printable ASCII. */
void ax_cpu_name(char ret_name[AX_CPU_NAME_BYTES]);

#endif
