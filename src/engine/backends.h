/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of all engines, for engine.c's list. To add an engine: write its file, declare its
 * table here, add it to the list, describe it in docs/models.md; the contract test then runs it.
 */
#ifndef AX_ENGINE_BACKENDS_H
#define AX_ENGINE_BACKENDS_H

#include "engine/engine.h"

extern const struct ax_engine ax_engine_forest; /* forest/: tree ensembles */
extern const struct ax_engine ax_engine_rules;  /* rules.c: ordered conditions */

#endif
