/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of the table in server/router.c. Each answers its request, now or later.
 */
#ifndef AX_SERVER_API_ENDPOINTS_H
#define AX_SERVER_API_ENDPOINTS_H

struct ax_call;

/* Open Inference Protocol v2: oip_rest.c, oip_metadata.c. */
void ax_oip_live(struct ax_call *call);
void ax_oip_ready(struct ax_call *call);
void ax_oip_server(struct ax_call *call);
void ax_oip_models(struct ax_call *call);
void ax_oip_model(struct ax_call *call);
void ax_oip_model_ready(struct ax_call *call);
void ax_oip_config(struct ax_call *call);
void ax_oip_index(struct ax_call *call);
void ax_oip_infer(struct ax_call *call);
void ax_oip_load(struct ax_call *call);
void ax_oip_unload(struct ax_call *call);

/* Its extensions for the log and for tracing: log_settings.c, trace_settings.c. */
void ax_log_settings(struct ax_call *call);
void ax_log_settings_change(struct ax_call *call);
void ax_trace_settings(struct ax_call *call);
void ax_trace_settings_change(struct ax_call *call);

/* Its shared memory, which is not there: shared_memory.c. */
void ax_shared_memory_status(struct ax_call *call);
void ax_shared_memory_none(struct ax_call *call);
void ax_shared_memory_register(struct ax_call *call);
void ax_shared_memory_unregister(struct ax_call *call);

/* Its statistics extension: statistics.c. */
void ax_statistics(struct ax_call *call);
void ax_statistics_all(struct ax_call *call);

/* KServe V1: kserve_v1.c. */
void ax_kserve_live(struct ax_call *call);
void ax_kserve_model(struct ax_call *call);
void ax_kserve_predict(struct ax_call *call);

/* MLflow's scoring: mlflow_scoring.c. */
void ax_mlflow_invocations(struct ax_call *call);
void ax_mlflow_ping(struct ax_call *call);
void ax_mlflow_version(struct ax_call *call);

/* Feast's: feast_online.c, feast_write.c, feast_materialize.c. */
void ax_feast_online_features(struct ax_call *call);
void ax_feast_online_write(struct ax_call *call);
void ax_feast_materialize(struct ax_call *call);
void ax_feast_materialize_incremental(struct ax_call *call);
void ax_health(struct ax_call *call);

/* Rows of sources, in our own form and in Feast's: push.c. */
void ax_push(struct ax_call *call);

/* Our own: predict_rows.c, predict_many.c, feature_metadata.c, feature_values.c, metrics.c,
 * openapi.c. */
void ax_predict(struct ax_call *call);
void ax_predict_many(struct ax_call *call);
void ax_feature_metadata(struct ax_call *call);
void ax_feature_values(struct ax_call *call);
void ax_metrics(struct ax_call *call);
void ax_openapi(struct ax_call *call);

#endif
