"""The dashboards: one for each kind of reader, with the questions that they ask."""

from __future__ import annotations

from typing import Final

from k8s.monitoring.board import Board, Panel

OPERATORS: Final = Board(
    "cityeye-operators",
    "CityEye operators",
    [
        [
            Panel(
                "Cameras online",
                [('sum(cityeye_cameras{state="online"})', "online")],
                kind="stat",
            ),
            Panel(
                "Cameras not watched",
                [('sum(cityeye_cameras{state=~"offline|unauthorized|unknown"})', "not watched")],
                kind="stat",
                bad=1,
            ),
            Panel(
                "Open incidents",
                [("sum(cityeye_hub_open_incidents)", "open")],
                kind="stat",
            ),
            Panel(
                "Problems",
                [("cityeye_health_problems", "problems")],
                kind="stat",
                bad=1,
                says="As many as /health of the control API names.",
            ),
            Panel(
                "Servers away",
                [('count(up{job=~"cityeye|cityeye-hub"} == 0) or vector(0)', "away")],
                kind="stat",
                bad=1,
                says="While one is away, the other panels show nothing of it.",
            ),
        ],
        [
            Panel("Cameras by state", [("sum by (state) (cityeye_cameras)", "{{state}}")]),
            Panel(
                "Open incidents by severity",
                [("sum by (severity) (cityeye_hub_open_incidents)", "{{severity}}")],
            ),
        ],
        [
            Panel(
                "Cameras that are not online",
                [('cityeye_camera_state{state!="online"} == 1', "{{camera}}")],
                kind="table",
            ),
            Panel(
                "Coverage of the last hour, worst ten",
                [
                    (
                        "bottomk(10,"
                        " increase(cityeye_camera_coverage_able_seconds_total[1h]) /"
                        " (increase(cityeye_camera_coverage_requested_seconds_total[1h]) > 0))",
                        "{{camera}}",
                    )
                ],
                unit="percentunit",
                says="Share of the time asked for in which the place was watched and seen.",
            ),
        ],
        [
            Panel(
                "Incidents opened in an hour, most first",
                [("topk(10, increase(cityeye_camera_incidents_opened_total[1h]))", "{{camera}}")],
                says="A camera that opens far more than others may have a bad view or zone.",
            ),
            Panel(
                "Oldest event that waits",
                [
                    ("cityeye_sink_oldest_pending_seconds", "sink {{sink}}"),
                    ("cityeye_hub_subscription_oldest_pending_seconds", "subscriptions"),
                ],
                unit="s",
            ),
        ],
    ],
)

ENGINEERS: Final = Board(
    "cityeye-engineers",
    "CityEye engineers",
    [
        [
            Panel(
                "Images decoded and analysed per second",
                [
                    ("sum(rate(cityeye_camera_decoded_frames_total[5m]))", "decoded"),
                    ("sum(rate(cityeye_camera_analysed_frames_total[5m]))", "analysed"),
                    ("sum(rate(cityeye_camera_dropped_frames_total[5m]))", "dropped"),
                    ("sum(rate(cityeye_camera_damaged_frames_total[5m]))", "damaged"),
                    ("sum(rate(cityeye_camera_failed_frames_total[5m]))", "failed"),
                ],
                unit="ops",
            ),
            Panel(
                "Arrival of a frame to its result, slowest ten",
                [("topk(10, cityeye_camera_result_age_seconds)", "{{camera}}")],
                unit="s",
                says="95th percentile of the newest results of each camera.",
            ),
            Panel(
                "Age of the newest image, oldest ten",
                [("topk(10, cityeye_camera_last_frame_age_seconds)", "{{camera}}")],
                unit="s",
            ),
        ],
        [
            Panel(
                "Inference latency by version",
                [
                    (
                        "histogram_quantile(0.95, sum by (model, version, le)"
                        " (rate(cityeye_model_inference_seconds_bucket[5m])))",
                        "{{model}}/{{version}} 95 %",
                    ),
                    (
                        "histogram_quantile(0.5, sum by (model, version, le)"
                        " (rate(cityeye_model_inference_seconds_bucket[5m])))",
                        "{{model}}/{{version}} 50 %",
                    ),
                ],
                unit="s",
            ),
            Panel(
                "Queue time by version, 95 %",
                [
                    (
                        "histogram_quantile(0.95, sum by (model, version, le)"
                        " (rate(cityeye_model_queue_seconds_bucket[5m])))",
                        "{{model}}/{{version}}",
                    )
                ],
                unit="s",
            ),
            Panel(
                "Images per batch",
                [
                    (
                        "sum by (model, version) (rate(cityeye_model_batch_size_sum[5m])) /"
                        " sum by (model, version) (rate(cityeye_model_batch_size_count[5m]))",
                        "{{model}}/{{version}}",
                    )
                ],
            ),
        ],
        [
            Panel(
                "Failed batches",
                [
                    (
                        "sum by (model, version) (rate(cityeye_model_errors_total[5m])) /"
                        " sum by (model, version) (rate(cityeye_model_requests_total[5m]))",
                        "{{model}}/{{version}}",
                    )
                ],
                unit="percentunit",
            ),
            Panel(
                "Cameras by version",
                [("cityeye_model_cameras", "{{model}}/{{version}}")],
            ),
            Panel(
                "Versions",
                [("cityeye_model_role * on (model, version) group_left () cityeye_model_up", "")],
                kind="table",
                says="1 for a version that is well, 0 for one that is not.",
            ),
        ],
        [
            Panel(
                "Reconnects in an hour, most first",
                [("topk(10, increase(cityeye_camera_reconnects_total[1h]))", "{{camera}}")],
            ),
            Panel(
                "Workers: restarts in an hour",
                [("increase(cityeye_worker_restarts_total[1h])", "{{worker}}")],
            ),
            Panel(
                "Slowest routes of the hub",
                [
                    (
                        "topk(10, sum by (method, route)"
                        " (rate(cityeye_hub_route_seconds_sum[5m])) /"
                        " (sum by (method, route)"
                        " (rate(cityeye_hub_route_seconds_count[5m])) > 0))",
                        "{{method}} {{route}}",
                    )
                ],
                unit="s",
                says="Mean time until the answer begins.",
            ),
        ],
        [
            Panel(
                "Deliveries and failures by sink",
                [
                    ("sum by (sink) (rate(cityeye_sink_deliveries_total[5m]))", "{{sink}}"),
                    ("sum by (sink) (rate(cityeye_sink_failures_total[5m]))", "{{sink}} failures"),
                ],
                unit="ops",
            ),
            Panel(
                "What waits, and what was refused for good",
                [
                    ("cityeye_sink_pending_events", "{{sink}} pending"),
                    ("cityeye_sink_dead_letters", "{{sink}} dead"),
                    ("cityeye_keyframes_pending", "keyframes"),
                    ("cityeye_events_unsaved", "in memory"),
                ],
            ),
            Panel(
                "Lost in an hour",
                [
                    ("sum(increase(cityeye_events_lost_total[1h]))", "events, disk"),
                    ("sum(increase(cityeye_events_shed_total[1h]))", "events, outbox full"),
                    ("sum(increase(cityeye_keyframes_lost_total[1h]))", "keyframes"),
                ],
                bad=1,
            ),
        ],
    ],
)

CAPACITY: Final = Board(
    "cityeye-capacity",
    "CityEye capacity",
    [
        [
            Panel(
                "Given of asked",
                [
                    (
                        "sum(cityeye_load_given_fps) / (sum(cityeye_load_asked_fps) > 0)",
                        "all",
                    )
                ],
                unit="percentunit",
                kind="stat",
                says="Below 0.95 the machine is too small for what is asked.",
            ),
            Panel("Cameras", [("sum(cityeye_cameras)", "cameras")], kind="stat"),
            Panel("Inferences per second", [("sum(cityeye_load_given_fps)", "given")], kind="stat"),
            Panel(
                "Disk free",
                [("cityeye_disk_free_bytes / cityeye_disk_size_bytes", "free")],
                unit="percentunit",
                kind="stat",
            ),
        ],
        [
            Panel(
                "Inferences asked and given by priority",
                [
                    ("cityeye_load_asked_fps", "{{priority}} asked"),
                    ("cityeye_load_given_fps", "{{priority}} given"),
                ],
                unit="ops",
            ),
            Panel(
                "Cores for inference, by version",
                [
                    (
                        "sum by (model, version) (rate(cityeye_model_cpu_seconds_total[5m]))",
                        "{{model}}/{{version}}",
                    )
                ],
            ),
            Panel(
                "Core seconds per image",
                [
                    (
                        "sum by (model, version) (rate(cityeye_model_cpu_seconds_total[5m])) /"
                        " sum by (model, version) (rate(cityeye_model_images_total[5m]))",
                        "{{model}}/{{version}}",
                    )
                ],
                unit="s",
                says="The price of one inference on processors; on a GPU only its host part.",
            ),
        ],
        [
            Panel(
                "Memory of processes",
                [
                    ("cityeye_worker_memory_bytes", "{{worker}}"),
                    ('process_resident_memory_bytes{job=~"cityeye|cityeye-hub"}', "{{job}}"),
                ],
                unit="bytes",
            ),
            Panel(
                "Cores of control API and hub",
                [('rate(process_cpu_seconds_total{job=~"cityeye|cityeye-hub"}[5m])', "{{job}}")],
            ),
            Panel(
                "Replicas by version",
                [("cityeye_model_replicas", "{{model}}/{{version}}")],
            ),
        ],
        [
            Panel(
                "Disk: free, and in a week at this pace",
                [
                    ("cityeye_disk_free_bytes", "free"),
                    ("predict_linear(cityeye_disk_free_bytes[6h], 7 * 24 * 3600)", "in a week"),
                ],
                unit="decbytes",
            ),
            Panel(
                "What is kept, and its limits",
                [
                    ("cityeye_kept_bytes", "{{kind}}"),
                    ("cityeye_kept_limit_bytes", "{{kind}} limit"),
                ],
                unit="decbytes",
            ),
            Panel(
                "Hub: events kept",
                [
                    ("cityeye_hub_stored_events", "events"),
                    (
                        "sum by (result) (rate(cityeye_hub_events_total[5m]))",
                        "{{result}} per second",
                    ),
                ],
            ),
        ],
    ],
)

BOARDS: Final = (OPERATORS, ENGINEERS, CAPACITY)
