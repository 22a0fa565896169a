/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fleet's records: a model, its versions, and what should become of them.
 *
 * What is on disk (the listing) and what is in memory are kept side by side; the questions below
 * compare them. Nothing here loads, publishes or waits. Control thread only.
 */
#ifndef AX_SERVER_FLEET_MODEL_H
#define AX_SERVER_FLEET_MODEL_H

#include "server/loader.h"
#include "server/overrides.h"
#include "server/residency.h"

struct ax_fleet_load;

struct ax_fleet_version {
    uint64_t number;
    char text[24]; /* the number as text */
    struct ax_fleet_model *model;

    bool is_listed;                    /* its folder is there */
    struct ax_fingerprint fingerprint; /* of its files, when they were last looked at */
    bool is_in_policy;                 /* listed, and in the model's policy */
    bool goes_on;                      /* until it is known of each that is whether it loads */
    bool stands_in;                    /* for one that is, which has failed */
    bool is_standing_told;             /* that it does was logged */
    bool is_target;                    /* one of these: it should be ready */

    /* Where its requests are counted, one reference: from its first load until it answers no more
     * and the policy does not want it. NULL: not yet, or not any more. */
    struct ax_account *account;

    struct ax_loaded loaded; /* what answers; its `served` is one reference, NULL: nothing does, and
                                the rest is what did last */
    /* Loaded for what the model tries, one reference, and not shown before all of it is; NULL:
     * nothing is. */
    struct ax_loaded held;
    /* What is loaded, and held, has the model's settings: kept, since comparing them is dear. */
    bool loaded_has_settings, held_has_settings;
    bool is_in_force;      /* it answered, and no other has taken its place since; memory may have
                              driven it out */
    uint64_t ready_ms;     /* monotonic, of the last load */
    uint64_t turn_ms;      /* until then it stays for those who waited for it; 0: nobody did */
    size_t draining_count; /* served ones that answer no more and are held by requests */

    struct ax_fleet_load *load;   /* it is being loaded; NULL: it is not */
    struct ax_footprint estimate; /* of what is being loaded */
    /* What the files with this fingerprint took, whether or not that fitted; zeros: not known. */
    struct ax_footprint measured;
    struct ax_fingerprint measured_fingerprint;
    bool is_doubted;         /* it is being loaded though by what was guessed it cannot fit */
    bool is_left_out;        /* memory is short: it comes when it is asked */
    bool is_foreseen;        /* or since it will be asked soon */
    bool is_pending;         /* it waits for a loader */
    bool is_put_off;         /* and had no room in this round */
    bool is_starved;         /* idle time was not enough for its last load */
    bool is_asked;           /* it is to be loaded though `preload` would not */
    size_t wanting_count;    /* requests that wait for it */
    uint64_t ready_number;   /* fleet.load_count, when it was current last */
    uint64_t counted;        /* requests of its account that popularity knows */
    unsigned conflict_count; /* loads in a row whose files changed meanwhile */
    uint64_t retry_ns;       /* monotonic: not loaded before; 0: at once */
    struct ax_err err;       /* why it could not be loaded; so it is not tried again before its
                                files or settings change, or it is asked for by an order; */
    bool is_short;           /* or, since this is for want of memory, before there is more */
};

struct ax_fleet_model {
    char *name;
    bool is_listed; /* its folder is there */
    bool is_wanted;
    bool has_settings; /* else its serving.yaml was refused, and none was good before */
    struct ax_model_settings settings;
    struct ax_err err;                  /* why it has no versions, or no new settings */
    struct ax_fleet_version **versions; /* ascending */
    size_t version_count;
    struct ax_catalog_model *published; /* one reference; NULL: not yet */
    bool is_touched;                    /* what is published is no longer true */
    size_t order_count;                 /* orders that wait for it, */
    size_t wanting_count;               /* and requests: the sum of its versions' */
    bool is_succeeded;                  /* a version goes on until its successors are known */
    double worth;                       /* requests a minute, now or soon */
    uint64_t asked_count;               /* requests so far, for popularity */
    bool is_warned;                     /* that its settings are refused was logged */
    struct ax_override *override;       /* in force; NULL: none */
    /* A load tries this one instead, NULL: none; the number tells whose it is. */
    bool is_trying;
    struct ax_override *candidate;
    unsigned try_number;
};

struct ax_fleet_model *ax_fleet_model_new(const char *name) AX_RETURNS_NONNULL;
/* Nothing is loading, waiting or draining. What answers is given back. NULL is fine. */
void ax_fleet_model_free(struct ax_fleet_model *model);

/* What a look at its folder showed; NULL: the folder is gone. Touches the model. */
void ax_fleet_model_list(struct ax_fleet_model *model, const struct ax_repository_model *listing);
/* ---- overrides, in fleet_override.c ---- */

/* The one that says what should be ready; NULL: the repository does. */
const struct ax_override *ax_fleet_model_override(const struct ax_fleet_model *model);
/* The folder of models in which the model's is; `repository` unless an override brought files. */
const char *ax_fleet_model_source(const struct ax_fleet_model *model, const char *repository);
/* What is tried is discarded, with what was loaded for it, and what was in force is again, once the
 * model is listed. */
void ax_fleet_model_end_try(struct ax_fleet_model *model);

/* Take out versions that are gone and held by nobody. */
void ax_fleet_model_sweep(struct ax_fleet_model *model);
/* Nothing of it is left: its folder is gone, its versions are. */
bool ax_fleet_model_is_over(const struct ax_fleet_model *model);

/* By its number as text; empty: the one that requests without a version go to, or would. NULL. */
struct ax_fleet_version *ax_fleet_model_version(struct ax_fleet_model *model, struct ax_str text);

/* Make the model as the catalog will have it. One reference. */
struct ax_catalog_model *ax_fleet_model_catalog(const struct ax_fleet_model *model)
    AX_RETURNS_NONNULL;

/* There is a reason to try again what failed. */
void ax_fleet_version_forgive(struct ax_fleet_version *version);

/* It should be ready with these files and settings, and is not, and may be tried. A version that is
 * being loaded counts. */
bool ax_fleet_version_is_due(const struct ax_fleet_version *version);
/* It is due, and it is being loaded or will be without being asked once more. */
bool ax_fleet_version_is_coming(const struct ax_fleet_version *version);
/* It answers, with the files and settings that it should have. */
bool ax_fleet_version_is_current(const struct ax_fleet_version *version);
/* What is held is what it should have: it is ready but for being shown. */
bool ax_fleet_version_is_held(const struct ax_fleet_version *version);
/* What is loaded or held is another one, or the model's settings are. */
void ax_fleet_version_note_settings(struct ax_fleet_version *version);
/* What is held is given back. */
void ax_fleet_version_drop_held(struct ax_fleet_version *version);
/* Whether any version of it does. */
bool ax_fleet_model_answers(const struct ax_fleet_model *model);
/* It answers, or is in force, and should not any more; docs/internals/fleet.md has the rule. */
bool ax_fleet_version_must_retire(const struct ax_fleet_version *version);
/* Choose anew which versions go on, and which stand in. */
void ax_fleet_model_choose(struct ax_fleet_model *model);
/* Requests wait for it; or it is to take the place of one that they wait for. */
bool ax_fleet_version_is_awaited(const struct ax_fleet_version *version);
/* It is not there, and would answer as it was, if requests asked for it: memory has driven it out.
 */
bool ax_fleet_version_comes_back(const struct ax_fleet_version *version);

#endif
