/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash by which CatBoost's model files know categories: the low half of CityHash64, in its
 * first version of 2011, of the category's text. Later versions of CityHash give other values.
 */
#ifndef AX_ENGINE_FOREST_CATBOOST_HASH_H
#define AX_ENGINE_FOREST_CATBOOST_HASH_H

#include "base/str.h"

uint32_t ax_catboost_hash(struct ax_str text);

#endif
