"""The vocabulary of metrics: what each name means, in which unit, which direction is better, and how it is known.

A metric that is not here is refused where a step ends (`children.worker`), so nothing without a meaning is ever stored.
What a name is of stands in labels, never in the name: the 90th percentile over gRPC at 60 % of the saturation rate is
`latency_s` with `wire=grpc share=0.6 statistic=p90`. `flat` writes that in one line, for tables; nobody reads it back.

Adding a metric touches this file and what emits it; docs/metrics.md is generated. A plug-in from elsewhere brings its
own as `own_metrics`, and touches nothing here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.core.policy import Risk
from evaluator.core.records import Figure, LabelValue, Metrics, Record, Value

Better = Literal["lower", "higher", "neither"]
# How a value is to be read: seconds, bytes, per second, 0 to 1, a plain number, a count; or no number at all.
Unit = Literal["s", "bytes", "1/s", "share", "1", "count", "cores", "J", "W", "yes or no", "text", "list"]

# What labels mean, in the order in which they are written.
LABELS = {
    "probe": "the probe of a server that found it out",
    "wire": "the way to the server; `in_process` is the same call in a process of its own, without any",
    "batching": "yes where the server puts requests together",
    "share": "the offered rate, as a share of the saturation rate",
    "between": "which two were compared, where it is not the artifact and its origin",
    "batch": "how many examples were given at once",
    "place": "what computes: a processor, or the runtime's own kernels",
    "statistic": "which figure of a sample it is",
    "purpose": "what code is for: `train`, `export` or `serve`",
    "kernel": "what was computed to see how much a machine can do",
    "precision": "the numbers that it was computed in",
    "measure": "what says how good answers are: a name, or a function of one's own",
    "program": "what was compiled: `training` (forward, loss and gradients) or `inference`",
}
_WIRES = {
    "rest": "REST",
    "grpc": "gRPC",
    "raw": "raw bytes over REST",
    "oip": "Open Inference Protocol over REST",
    "oip_grpc": "Open Inference Protocol over gRPC",
    "in_process": "in process",
}
# A latency is a sample, and `statistic` says what is made of it. A median and a p50 differ, and both are right.
STATISTICS = {
    "median": "the middle of the sample: an estimate of the typical call",
    **{
        f"p{percentile:g}": f"what {percentile:g} % of all calls do not exceed, with 99 % confidence: a bound, "
        "therefore a little higher than the percentile of the sample"
        for percentile in (50, 90, 95, 97, 99, 99.9)
    },
}
CLOCK = "measured: clock"
KERNEL = "measured: kernel"
COUNTED = "counted"
COMPUTED = "computed"
DECLARED = "declared"
TOLD = "told"
LIMITS = "measured: containers under a limit that kills"
EVENTS = "measured: CUDA events"
NVML = "measured: NVML"
COUNTER = "measured: a counter of energy, which `energy_provenance` names"


class Metric(Record, frozen=True):
    """One name that results may hold, and all that is known about it."""

    name: str
    unit: Unit
    better: Better
    meaning: str  # one sentence
    provenance: str  # "measured: …", "counted", "computed", "declared" in a scenario, "told" by what is evaluated
    labels: tuple[str, ...] = ()  # that its figures may have


_TAIL = ("statistic",)
_LATENCY = ("wire", "share", "statistic")
_WIRE = ("wire",)
_RATE = ("wire", "share")
_LOAD = ("wire", "batching")
_PROBE = ("probe",)
_PAIR = ("between", "wire")
_MEASURE = ("measure",)

_COMMON = (
    Metric("peak_rss_bytes", "bytes", "lower", "The largest resident memory of the process.", KERNEL),
    Metric("peak_rss_provenance", "text", "neither", "Where `peak_rss_bytes` comes from on this system.", TOLD),
    Metric("size_bytes", "bytes", "lower", "All files of the artifact together.", COUNTED),
    Metric("parameters", "count", "neither", "The numbers that the model has learnt.", COUNTED),
    Metric("weights_bytes", "bytes", "lower", "The weights: raw after a training, as stored in an artifact.", COUNTED),
    Metric("cases", "count", "neither", "The examples on which two were compared.", COUNTED),
    Metric("queries", "count", "neither", "The timed calls of a sample.", COUNTED, _WIRE),
    Metric("capped", "yes or no", "neither", "The time cap ended it before the minimum of calls.", COMPUTED),
    Metric("latency_s", "s", "lower", "One warm call; under load, from when it was due.", CLOCK, _LATENCY),
    Metric("import_s", "s", "lower", "Importing the runtime, or what trains, into a fresh process.", CLOCK),
    Metric("load_s", "s", "lower", "Loading the artifact, until it can be called.", CLOCK),
    Metric("first_call_s", "s", "lower", "The first call, before anything is warm.", CLOCK, _PROBE),
    Metric("reference", "yes or no", "neither", "The embedded reference server answered, no real one.", TOLD),
    Metric("ready_s", "s", "lower", "From the start of the server until it says that the model is ready.", CLOCK),
    Metric("stop_s", "s", "lower", "From the order to stop until the server has ended.", CLOCK, _PROBE),
    Metric("leftovers", "count", "lower", "Processes and files that a stopped server left behind.", COUNTED, _PROBE),
)
_FIDELITY = (
    Metric("max_abs_diff", "1", "lower", "The largest difference of any output element.", COMPUTED, _PAIR),
    Metric("max_rel_diff", "1", "lower", "The largest difference, relative to its output's scale.", COMPUTED, _PAIR),
    Metric("cosine", "1", "higher", "The cosine between both outputs as vectors.", COMPUTED, _PAIR),
    Metric("top1_agreement", "share", "higher", "Rows whose largest element is the same.", COMPUTED, _PAIR),
    Metric("smallest_tolerance", "1", "lower", "The tolerance at which both would count as equal.", COMPUTED, _PAIR),
    Metric("tolerance", "1", "neither", "The relative difference that is allowed.", DECLARED, _PAIR),
)
_TRAINING = (
    Metric("time_to_first_step_s", "s", "lower", "The first training step, with all that it compiles.", CLOCK),
    Metric("build_s", "s", "lower", "Building the network and its optimizer, ready for a first step.", CLOCK),
    Metric("step_s", "s", "lower", "The median training step after the first.", CLOCK),
    Metric("evaluation_s", "s", "lower", "Computing all held-out examples once, with all that it compiles.", CLOCK),
    Metric("train_s", "s", "lower", "All training steps together: of a toy, hence compared with nothing.", CLOCK),
    Metric("fixed_s", "s", "lower", "Import, build and first step, less one step in steady state.", COMPUTED),
    Metric("planned_steps", "count", "neither", "The steps of the training that the scenario plans.", DECLARED),
    Metric("planned_training_s", "s", "lower", "`fixed_s` and `planned_steps` times `step_s`.", COMPUTED),
    Metric("turning_point_steps", "count", "neither", "The steps from which on the order turns.", COMPUTED),
    Metric("steps", "count", "neither", "The training steps.", COUNTED),
    Metric("examples_per_s", "1/s", "higher", "Examples in a median training step, per second.", COMPUTED),
    Metric("first_loss", "1", "neither", "The loss before the first change of the weights.", COMPUTED),
    Metric("final_loss", "1", "lower", "The loss of the last training step.", COMPUTED),
    Metric("heldout_accuracy", "share", "higher", "Right answers on all examples that were held out.", COMPUTED),
    Metric("accuracy_target", "share", "neither", "The held-out accuracy that the scenario asks for.", DECLARED),
    Metric("device_name", "text", "neither", "What the framework says that it computed on.", TOLD),
    Metric("flops_per_step", "count", "neither", "Floating point operations of one training step.", COUNTED),
    Metric("flops_per_answer", "count", "neither", "Floating point operations of one example's answer.", COUNTED),
    Metric("flops_unknown", "text", "neither", "Why the operations of a step or an answer are not known.", TOLD),
)
_PARTS = {
    "forward": "what the network computes before any step",
    "gradient": "the gradients of the first step",
    "update": "what the optimizer makes of them",
    "statistics": "running statistics after the first step",
    "curve": "the losses of the first steps",
}
_PARITY = (
    Metric("first_steps", "count", "neither", "The steps in which two trainings are compared.", COUNTED),
    Metric("optimizer_numbers", "count", "neither", "The numbers that the optimizer keeps of the weights.", COUNTED),
    Metric(
        "parity_left_out",
        "share",
        "neither",
        "The share of comparisons that are none: rounding explains any difference.",
        COMPUTED,
        ("between",),
    ),
    *(
        Metric(
            f"{part}_parity",
            "1",
            "lower",
            f"The largest difference in {told}, as a share of what rounding explains: above 1 it is another training.",
            COMPUTED,
            ("between",),
        )
        for part, told in _PARTS.items()
    ),
    *(
        Metric(f"{part}_noise", "1", "neither", f"What rounding alone does to {told}, relative to it.", COMPUTED)
        for part, told in _PARTS.items()
    ),
)
_LEARNING = (
    Metric("seed", "count", "neither", "What the order of the data was drawn by.", DECLARED),
    Metric("steps_to_target", "count", "lower", "Steps until the held-out target was first seen reached.", COMPUTED),
    Metric("most_steps", "count", "neither", "The steps that it may take at most: so many courses.", DECLARED),
    Metric("evaluated_every", "count", "neither", "Steps between two evaluations on held-out data.", DECLARED),
    Metric("best_accuracy", "share", "higher", "The highest held-out accuracy that was seen on the way.", COMPUTED),
    Metric("reading_s", "s", "lower", "Reading the data set, once, before the first step.", CLOCK),
    Metric("loading_s", "s", "lower", "Putting batches together, all of them; beside other steps.", CLOCK),
    Metric("compute_s", "s", "lower", "Training steps, all of them; beside other steps, hence not compared.", CLOCK),
    Metric("loading_share", "share", "lower", "`loading_s` of `loading_s` and `compute_s` together.", COMPUTED),
    Metric("evaluations", "count", "neither", "Evaluations on held-out data.", COUNTED),
    Metric("evaluations_s", "s", "lower", "All of them together; no part of the training.", CLOCK),
)
_ORIGIN = (
    Metric(
        "self_noise",
        "1",
        "lower",
        "How far a model of one's own is from itself, computed again and in another batch, by the output's scale.",
        COMPUTED,
    ),
    Metric(
        "inputs_made_up",
        "yes or no",
        "neither",
        "Whether its examples were drawn at random, and are no real ones.",
        TOLD,
    ),
)
_EXPORT = (
    Metric("export_s", "s", "lower", "The exporter's call alone.", CLOCK),
    Metric("compressed_bytes", "bytes", "lower", "The artifact, compressed as for a download.", COUNTED),
    Metric("trained_weights_bytes", "bytes", "neither", "The origin's weights as 32-bit floats.", COUNTED),
    Metric("rss_before_bytes", "bytes", "neither", "The largest resident memory before that.", KERNEL),
    Metric("sha256", "text", "neither", "The artifact's digest.", COMPUTED),
    Metric("graph_bytes", "bytes", "lower", "The artifact's program: its operators and their connections.", COUNTED),
    Metric("metadata_bytes", "bytes", "lower", "What of the artifact is neither weights nor program.", COUNTED),
    Metric("operators", "count", "lower", "The artifact's operators.", COUNTED),
    Metric("lowered_share", "share", "higher", "Weights that have the type of the precision.", COUNTED),
)
_PROOF = (
    Metric("accuracy", "share", "higher", "Right answers of the artifact on the examples of its proof.", COMPUTED),
    Metric("origin_accuracy", "share", "higher", "Right answers of its origin on the same examples.", COMPUTED),
    Metric("answers_lost", "count", "lower", "Right answers of the origin that the artifact gets wrong.", COUNTED),
    Metric("answers_gained", "count", "higher", "Wrong answers of the origin that the artifact gets right.", COUNTED),
    Metric("batch_sizes", "list", "neither", "The batch sizes that the artifact takes, of those tried.", COUNTED),
    Metric("refusal", "text", "neither", "What was said to a batch size that is not taken.", TOLD, ("batch",)),
    Metric("other_size", "text", "neither", "How the artifact does with inputs of another size.", COMPUTED),
    Metric("placed_operators", "count", "neither", "The operators that are computed there.", TOLD, ("place",)),
    Metric("emulated", "yes or no", "neither", "The processor was emulated: no time of it counts.", TOLD),
    Metric("runtime_version", "text", "neither", "The version of a runtime in a container.", TOLD),
    Metric("latency_in_js_s", "s", "lower", "A call in JavaScript, median of a short look.", CLOCK),
    Metric("latency_in_js_n", "count", "neither", "The calls of that look.", COUNTED),
    Metric("diverges_after", "text", "neither", "The last layer that is still right.", COMPUTED),
    Metric("diverges_at", "list", "neither", "The first layers or operators that are not.", COMPUTED),
)
_QUALITY = (
    Metric(
        "quality", "1", "neither", "How good the answers are, by the measure that was asked for.", COMPUTED, _MEASURE
    ),
    Metric("origin_quality", "1", "neither", "How good the origin's are, on the same rows.", COMPUTED, _MEASURE),
    Metric("quality_loss", "1", "lower", "By how much the artifact's are worse than its origin's.", COMPUTED, _MEASURE),
    Metric("allowed_loss", "1", "neither", "How much worse they may be.", DECLARED, _MEASURE),
    Metric("quality_rows", "count", "neither", "The labelled rows that this was found on.", COUNTED),
    Metric("quality_verdict", "text", "neither", "Whether too much was lost: kept, lost or in doubt.", COMPUTED),
    Metric("quality_doubt", "text", "neither", "Why there is no interval, or no verdict.", TOLD),
)
_RUNNING = (
    Metric("throughput_per_s", "1/s", "higher", "Examples per second in batches of `throughput_batch`.", CLOCK),
    Metric("throughput_batch", "count", "neither", "The examples in a batch for the throughput.", DECLARED),
    Metric("neighbour_latency_s", "s", "lower", "A median answer beside a busy neighbour on each core.", CLOCK),
    Metric("neighbour_slowdown", "1", "lower", "How many times as long as alone that takes.", COMPUTED),
    Metric("quota_latency_s", "s", "lower", "A median answer with the time of one core, seeing all of them.", CLOCK),
    Metric("quota_slowdown", "1", "lower", "How many times as long as without that limit it takes.", COMPUTED),
)
_TURNS = (
    Metric("blocks", "count", "neither", "The blocks of calls that it was asked for in turns.", COUNTED),
    Metric("own_cores", "cores", "neither", "The cores that it kept busy during its blocks.", KERNEL),
    Metric("idle_cores", "cores", "lower", "The cores that it kept busy while others were asked.", KERNEL),
    Metric("others_cores", "cores", "lower", "The cores that others kept busy during its blocks.", KERNEL),
    Metric("disturbed_share", "share", "lower", "The blocks that are left out of comparisons.", COMPUTED),
)
_PEAK = (
    Metric(
        "peak_flops_per_s",
        "1/s",
        "higher",
        "The most floating point operations per second that a kernel of the framework reached in the same turns.",
        CLOCK,
        ("kernel", "precision"),
    ),
    Metric("memory_bytes_per_s", "1/s", "higher", "Bytes that adding one large array to another moves.", CLOCK),
    Metric(
        "mfu", "share", "higher", "What is computed, of what the machine can compute at most.", COMPUTED, ("batch",)
    ),
    Metric("computed_in", "text", "neither", "The precision that a training variant computes in.", DECLARED),
    Metric("bfloat16", "text", "neither", "Whether there are instructions for bfloat16, or it is emulated.", TOLD),
    Metric("peak_unknown", "text", "neither", "Why a kernel that shows the machine's limit did not run.", TOLD),
)
_DEVICE = (
    Metric("device_step_s", "s", "lower", "What the device did for a step after the first, median.", EVENTS),
    Metric("device_latency_s", "s", "lower", "What the device did for an answer, without copies, median.", EVENTS),
    Metric("device_time_unmeasured", "text", "neither", "Why the device's own time is not known.", TOLD),
    Metric("peak_device_bytes", "bytes", "lower", "The most of a device's memory that tensors held at once.", TOLD),
    Metric("device_process_bytes", "bytes", "lower", "What the process held of it when its turns were over.", NVML),
    Metric("device_memory_provenance", "text", "neither", "Who says so, and what is not known.", TOLD),
    Metric("energy_per_step_j", "J", "lower", "What the device took for a step, with what it takes at rest.", COUNTER),
    Metric("energy_per_answer_j", "J", "lower", "What it took for an answer, with what it takes at rest.", COUNTER),
    Metric("mean_power_w", "W", "lower", "What it took during quiet blocks, in the mean.", COUNTER),
    Metric("energy_provenance", "text", "neither", "Which counter that is, and of what.", TOLD),
    Metric("energy_unmeasured", "text", "neither", "Why the energy is not known, and what would mend that.", TOLD),
)
_SMALL = (
    Metric("isa", "text", "neither", "The instruction set of the machine.", TOLD),
    Metric("cores", "count", "neither", "The processor cores that were used.", DECLARED),
    Metric("cold_start_s", "s", "lower", "From the start of a process to its first answer, median.", CLOCK),
    Metric("runtime_bytes", "bytes", "lower", "The runtime's Python packages on disk.", COUNTED),
    Metric("runtime_native_bytes", "bytes", "lower", "Those native libraries of the runtime that are loaded.", COUNTED),
    Metric("runtime_carried", "text", "neither", "What is published of its size in applications.", DECLARED),
    Metric("runtime_rss_bytes", "bytes", "lower", "The peak of a process that only imports the runtime.", KERNEL),
    Metric("model_rss_bytes", "bytes", "lower", "What the peak grew by from loading on.", KERNEL),
    Metric("ram_floor_bytes", "bytes", "lower", "The least memory with which the process works.", LIMITS),
    Metric("runtime_ram_floor_bytes", "bytes", "lower", "The least memory of the runtime alone.", LIMITS),
    Metric("model_ram_bytes", "bytes", "lower", "The model's own share of it, at most.", LIMITS),
    Metric("ram_floor_resolution", "share", "lower", "By how much a least memory may be too high.", DECLARED),
    Metric("ram_floor_unmeasured", "text", "neither", "Why the least memory is not known.", TOLD),
)
_INSPECTION = (
    Metric("inputs", "text", "neither", "The inputs that were given: name, type, shape.", TOLD),
    Metric("outputs", "text", "neither", "The outputs that came: name, type, shape.", TOLD),
    Metric("finite", "yes or no", "higher", "No output holds NaN or infinity.", COMPUTED),
    Metric("sizes", "text", "neither", "Where the sizes of the inputs come from.", TOLD),
    Metric("examples_unfit", "text", "neither", "Why examples beside the artifact decided nothing.", TOLD),
    Metric("examples", "count", "neither", "The examples beside the artifact that were computed.", COUNTED),
    Metric("examples_right", "count", "higher", "Those of them that came out as they should.", COUNTED),
)
_SERVING = (
    Metric("bundle_s", "s", "lower", "Packing the artifact for the server.", CLOCK),
    Metric("overhead_s", "s", "lower", "What a call takes more than in process (mean of pairs).", CLOCK, _WIRE),
    Metric("image", "text", "neither", "The container image that was started.", TOLD),
    Metric("image_digest", "text", "neither", "The image's digest, or how it was built.", TOLD),
    Metric("image_size_bytes", "bytes", "lower", "The image, unpacked.", TOLD),
    Metric("image_architecture", "text", "neither", "The instruction set that the image is made for.", TOLD),
    Metric("image_os", "text", "neither", "The system inside the image.", TOLD),
    Metric("image_end_of_life", "text", "neither", "When regular security support of that system ends.", DECLARED),
    Metric("image_long_term_end", "text", "neither", "When its long-term support ends.", DECLARED),
    Metric("image_user", "text", "neither", "The user that the container runs as.", TOLD),
    Metric("image_packages", "count", "lower", "The packages in the image.", COUNTED),
    Metric("image_packages_missing", "text", "neither", "Why the packages were not counted.", TOLD),
)
_LOADING = (
    Metric("tail", "text", "neither", "The statistic that must stay within the time limit.", DECLARED),
    Metric("rate_per_s", "1/s", "neither", "The requests that were offered.", DECLARED, _RATE),
    Metric("achieved_per_s", "1/s", "higher", "The requests that were answered.", CLOCK, _RATE),
    Metric("errors", "count", "lower", "The requests that failed.", COUNTED, _RATE),
    Metric("keeps_up", "yes or no", "higher", "At least 95 % of the offered rate was answered.", COMPUTED, _RATE),
    Metric("invalid", "text", "neither", "Why the latencies at this rate do not count.", COMPUTED, _RATE),
    Metric("saturation_per_s", "1/s", "higher", "What the server sustains in closed loops.", CLOCK, _LOAD),
    Metric("knee_per_s", "1/s", "higher", "Where throughput over latency is highest.", COMPUTED, _WIRE),
    Metric("in_time_per_s", "1/s", "higher", "The highest rate within the scenario's time limit.", COMPUTED, _WIRE),
    Metric("not_in_time_per_s", "1/s", "higher", "The next rate, which was not within it.", COMPUTED, _WIRE),
    Metric("client_cpu_per_1000_s", "s", "lower", "The client's processor time for 1,000 calls.", KERNEL, _WIRE),
)
_REPLIES = (
    Metric("outcome", "text", "neither", "How a probe ended.", COMPUTED, _PROBE),
    Metric("reason", "text", "neither", "What a probe found out, in a sentence.", COMPUTED, _PROBE),
    Metric("remedy", "text", "neither", "What to do about it.", COMPUTED, _PROBE),
    Metric("risk", "text", "neither", "What the wrong answer costs in production.", DECLARED, _PROBE),
    Metric("answered", "text", "neither", "What was said to a call without credentials.", TOLD, ("probe", "wire")),
    Metric("tls_version", "text", "neither", "The version of TLS that is spoken.", TOLD, ("probe", "wire")),
    Metric("plain_text", "list", "neither", "The wires that answer without TLS all the same.", TOLD, _PROBE),
    Metric("listening", "list", "neither", "The addresses that the server listens on.", TOLD, _PROBE),
    Metric("sockets", "count", "lower", "The sockets that it listens on.", COUNTED, _PROBE),
    Metric("exposed", "count", "lower", "Those of them that others can reach.", COUNTED, _PROBE),
    Metric("bad_requests", "count", "neither", "The kinds of bad requests that were sent.", COUNTED, _PROBE),
    Metric("refused_rightly", "count", "higher", "Those that were refused as the caller's mistake.", COUNTED, _PROBE),
    Metric("server_deaths", "count", "lower", "How often the server was gone afterwards.", COUNTED, _PROBE),
    Metric("neighbours", "count", "neither", "Good requests beside bad ones.", COUNTED, _PROBE),
    Metric("neighbours_answered", "count", "higher", "Those of them that were answered.", COUNTED, _PROBE),
    Metric("neighbours_failed", "count", "lower", "Those of them that failed.", COUNTED, _PROBE),
    Metric("bad_accepted", "count", "lower", "Bad requests that were answered as if they were good.", COUNTED, _PROBE),
    Metric("rounds", "count", "neither", "How often it was tried.", COUNTED, _PROBE),
    Metric("starts", "count", "neither", "How many starts were watched.", COUNTED, _PROBE),
    Metric("first_answer_s", "s", "lower", "From the start of the server to its first right answer.", CLOCK, _PROBE),
    Metric("warm_call_s", "s", "lower", "A call after the first, median.", CLOCK, _PROBE),
    Metric("healthy_lead_s", "s", "lower", "How long it said healthy before it could answer.", CLOCK, _PROBE),
    Metric("healthy", "yes or no", "lower", "It said healthy without its model.", TOLD, _PROBE),
    Metric("noticed_s", "s", "lower", "Until it said that the model is damaged.", CLOCK, _PROBE),
    Metric("ended", "yes or no", "neither", "It ended because of that.", TOLD, _PROBE),
    Metric("requests", "count", "neither", "The requests of a soak.", COUNTED, _PROBE),
    Metric("requests_in_flight", "count", "neither", "Requests on their way at the order to stop.", COUNTED, _PROBE),
    Metric("requests_answered", "count", "higher", "Requests that were answered rightly meanwhile.", COUNTED, _PROBE),
    Metric("requests_failed", "count", "lower", "Requests that failed meanwhile.", COUNTED, _PROBE),
    Metric("requests_wrong", "count", "lower", "Requests that were answered wrongly meanwhile.", COUNTED, _PROBE),
    Metric("requests_lost", "count", "lower", "Requests on their way that were never answered.", COUNTED, _PROBE),
    Metric("longest_gap_s", "s", "lower", "The longest time without a right answer.", CLOCK, _PROBE),
    Metric("answering_version", "count", "neither", "The model's version that answered afterwards.", TOLD, _PROBE),
    Metric("change_s", "s", "lower", "Until the other version answered.", CLOCK, _PROBE),
    Metric("outage_s", "s", "lower", "From the kill until answers were right again.", CLOCK, _PROBE),
    Metric("recovered_s", "s", "lower", "Until a new worker answered.", CLOCK, _PROBE),
    Metric("workers", "count", "neither", "The workers that the server has.", TOLD, _PROBE),
    Metric("growth_bytes_per_1000_requests", "bytes", "lower", "The growth of its memory.", KERNEL, _PROBE),
    Metric("memory_bytes", "bytes", "lower", "Its resident memory at the end.", KERNEL, _PROBE),
    Metric("soak_s", "s", "neither", "How long its memory was watched.", DECLARED, _PROBE),
    Metric("slow_clients", "count", "neither", "Clients that sent next to nothing.", DECLARED, _PROBE),
    Metric("cut_off", "count", "higher", "Those whose connection the server ended.", COUNTED, _PROBE),
    Metric("watched_s", "s", "neither", "How long they were let be.", DECLARED, _PROBE),
    Metric("call_s", "s", "lower", "A call beside slow clients, median.", CLOCK, _PROBE),
    Metric("usual_call_s", "s", "lower", "A call without them, median.", CLOCK, _PROBE),
    Metric("metrics", "count", "neither", "The metrics that the server publishes.", COUNTED, _PROBE),
    Metric("calls", "count", "neither", "The calls that were made to see them move.", COUNTED, _PROBE),
    Metric("request_counter", "list", "neither", "Its metrics that count requests.", TOLD, _PROBE),
    Metric("latency_histogram", "list", "neither", "Its metrics that tell latencies.", TOLD, _PROBE),
)
_PURPOSE = ("purpose",)
_EASE = (
    Metric(
        "logical_lines",
        "count",
        "lower",
        "Logical lines of the code for a purpose, as radon counts.",
        COUNTED,
        _PURPOSE,
    ),
    Metric("complexity", "count", "lower", "Cyclomatic complexity of its functions together.", COUNTED, _PURPOSE),
    Metric("api_names", "count", "lower", "Different names of the framework and its tools in it.", COUNTED, _PURPOSE),
    Metric("imports", "count", "neither", "Fresh processes that imported the framework.", COUNTED),
    Metric("packages_installed", "count", "lower", "Packages that the framework needs, with its own.", COUNTED),
    Metric("installed_bytes", "bytes", "lower", "The files of these packages.", COUNTED),
    Metric("warnings_shown", "count", "lower", "Warnings on the way to a first training step.", COUNTED),
    Metric("deprecations_hidden", "count", "lower", "Others there, which Python does not show.", COUNTED),
    Metric("mistakes", "count", "neither", "Deliberate mistakes that were made.", COUNTED),
    Metric("mistakes_raised", "count", "neither", "Those that ended in an exception.", COUNTED),
    Metric("mistakes_warned", "count", "neither", "Those that a warning told of.", COUNTED),
    Metric("mistakes_silent", "count", "lower", "Those that nobody noticed, and that did harm.", COUNTED),
    Metric("mistakes_harmless", "count", "higher", "Those that came to what was wanted all the same.", COUNTED),
    Metric("mistakes_fatal", "count", "lower", "Those that killed the process, or never ended.", COUNTED),
    Metric("mistakes_at_line", "count", "higher", "Those that were noticed at the faulty line.", COUNTED),
    Metric("mistakes_named", "count", "higher", "Those noticed whose message names what is wrong.", COUNTED),
)
# In the order of the glossary: a heading, and the metrics below it.
_UPKEEP = (
    Metric(
        "packages",
        "count",
        "lower",
        "Packages that any way out of the framework needs, with all they require.",
        COUNTED,
    ),
    Metric("licences_unknown", "count", "lower", "Installed ones whose metadata name no licence for sure.", COUNTED),
    Metric(
        "entries_agree", "count", "higher", "Entries of the register that the installed packages bear out.", COUNTED
    ),
    Metric("entries_disagree", "count", "lower", "Entries that the installed packages contradict.", COUNTED),
)
_PROGRAM = ("program",)
_TPU = (
    Metric("programs_accepted", "count", "higher", "Programs that the TPU compiler accepts.", COUNTED),
    Metric("programs_refused", "count", "lower", "Those that do not lower to StableHLO, or are refused.", COUNTED),
    Metric("compiled_for", "text", "neither", "The TPU that it was compiled for, as libtpu names it.", TOLD),
    Metric("compiled_by", "list", "neither", "What lowered and compiled, with versions.", TOLD),
    Metric("tpu_state", "text", "neither", "`accepted`, `refused`, `unlowered` or `failed`.", TOLD, _PROGRAM),
    Metric("examples_at_once", "count", "neither", "The batch, whose size is fixed on a TPU.", DECLARED, _PROGRAM),
    Metric("unlowered_operators", "list", "neither", "Operators without a way to StableHLO.", TOLD, _PROGRAM),
    Metric("stablehlo_operators", "count", "neither", "Operators of the program in StableHLO.", COUNTED, _PROGRAM),
    Metric("tpu_arguments_bytes", "bytes", "neither", "Memory of what it takes, weights too.", TOLD, _PROGRAM),
    Metric("tpu_outputs_bytes", "bytes", "neither", "Memory of what it gives, gradients too.", TOLD, _PROGRAM),
    Metric("tpu_temporary_bytes", "bytes", "neither", "Memory that it needs meanwhile.", TOLD, _PROGRAM),
    Metric("tpu_code_bytes", "bytes", "neither", "Its code: of a compiler, and compared with nothing.", TOLD, _PROGRAM),
)
CHAPTERS: dict[str, tuple[Metric, ...]] = {
    "In several stages": _COMMON,
    "How close two computations are": _FIDELITY,
    "Training": _TRAINING,
    "Equivalence": _PARITY,
    "Training until a target is reached": _LEARNING,
    "Asking a model of one's own": _ORIGIN,
    "Exporting": _EXPORT,
    "Proving that an artifact computes the same": _PROOF,
    "How good a model of one's own is": _QUALITY,
    "Running": _RUNNING,
    "Measured in turns": _TURNS,
    "How close to the machine's limit": _PEAK,
    "On a device, and its energy": _DEVICE,
    "Running on small computers": _SMALL,
    "Inspecting": _INSPECTION,
    "Serving": _SERVING,
    "Loading a server": _LOADING,
    "Probing a server": _REPLIES,
    "Who maintains what it rests on": _UPKEEP,
    "Ease of use": _EASE,
    "Compiling for a TPU": _TPU,
}
METRICS = {metric.name: metric for chapter in CHAPTERS.values() for metric in chapter}
_KINDS: dict[Unit, type | tuple[type, ...]] = {"yes or no": bool, "text": str, "list": (tuple, list), "count": int}
# Least and most of a unit: wide enough for all that can be measured, narrow enough to be computed with. (The second
# number of a pair of times may be the smaller one, and memory may shrink: differences have a sign.)
_MOST = 1e150
_RANGES: dict[Unit, tuple[float, float]] = {
    "s": (-1e9, 1e20),  # a training may be planned that nobody could wait for
    "bytes": (-1e18, 1e18),
    "1/s": (0, 1e18),  # operations of a whole rack of accelerators
    "share": (0, 1),
    "count": (0, 1e18),
    "J": (0, 1e15),
    "W": (0, 1e9),
}


_NUMBERED = ("share", "batch")  # labels that are numbers
# The values of a text that is one of a few words.
_WORDS: Mapping[str, tuple[str, ...]] = {"outcome": tuple(Outcome), "risk": tuple(Risk)}


def wire(name: str) -> str:
    """Return a way to a server as people write it."""
    return _WIRES.get(name, name)


def known(name: str) -> Metric | None:
    """Return a metric of ours or of a plug-in by its name; None when nobody declared it."""
    return METRICS.get(name) or next((each for each in of_plugins() if each.name == name), None)


def metric(name: str) -> Metric:
    """Return a metric that must be declared; `KeyError` when it is not, which is a bug of whoever asks."""
    found = known(name)
    if found is None:
        raise KeyError(f"'{name}' is in no vocabulary of metrics: add it to {__name__}, or to a plug-in's own_metrics")
    return found


def of_plugins() -> Iterator[Metric]:
    """Yield the metrics that plug-ins of any kind bring themselves, as `own_metrics`."""
    for kind in registry.KINDS:
        for plugin in registry.load_all(kind):
            yield from getattr(plugin, "own_metrics", ())


def misfits(metrics: Mapping[str, Value], figures: Iterable[Figure] = ()) -> dict[str, str]:
    """Say of each name that must not be stored why: unknown, of another kind, or with labels that it does not have."""
    found = {figure.name: _misfit(figure) for figure in (*_plain(metrics), *figures)}
    return {name: why for name, why in found.items() if why is not None}


def damaged(row: "Row") -> str | None:
    """Say what of a stored row cannot have been stored so; None when there is nothing.

    Names that are unknown today are let be: a plug-in that is not here any more may have brought them.
    """
    for figure in (*_plain(row.metrics), *row.figures):
        about = METRICS.get(figure.name)
        why = None if about is None else _unfit(figure, about)
        if why is not None:
            return f"the metric '{figure.name}' {why}"
    return next((f"the figure '{figure.name}' has no label" for figure in row.figures if not figure.labels), None)


def _misfit(figure: Figure) -> str | None:
    about = known(figure.name)
    return "is not in the vocabulary of metrics" if about is None else _unfit(figure, about)


def _unfit(figure: Figure, about: Metric) -> str | None:
    kind = _KINDS.get(about.unit, (int, float))
    least, most = _RANGES.get(about.unit, (-_MOST, _MOST))
    value = figure.value
    strange_kind = not isinstance(value, kind) or (isinstance(value, bool) and about.unit != "yes or no")
    if strange_kind or (isinstance(value, int | float) and not least <= value <= most):
        return f"is declared as '{about.unit}' and is {value!r:.60}"
    if figure.name in _WORDS and value not in _WORDS[figure.name]:
        return f"is {value!r:.60}, which is none of {', '.join(_WORDS[figure.name])}"
    strange = [label for label in figure.labels if label not in about.labels]
    if strange:
        return f"is not declared with the label {', '.join(strange)}"
    wordy = [label for label in _NUMBERED if isinstance(figure.labels.get(label, 0), str | bool)]
    return f"has no number as its label {', '.join(wordy)}" if wordy else None


def number(value: Value | None) -> float | None:
    """Return a value as a number; None when it is absent, or none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class Row(Protocol):
    """A result, or a cell: what holds metrics and figures."""

    @property
    def metrics(self) -> Metrics:
        """Values of which there is one."""
        ...

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Values that labels tell apart."""
        ...


@dataclass(frozen=True, slots=True)
class Key:
    """Which figure is meant: a metric, and exactly these labels; none for a metric of which there is one."""

    name: str
    labels: Mapping[str, LabelValue] = field(default_factory=dict)


def key(name: str, **labels: LabelValue) -> Key:
    """Make a key; a name that nobody declared is a `KeyError`, so that no table asks in vain."""
    return Key(metric(name).name, labels)


def find(row: Row, wanted: Key) -> Figure | None:
    """Return the figure of a row that has exactly the labels asked for; None when it was not measured."""
    if not wanted.labels:
        return Figure(name=wanted.name, value=row.metrics[wanted.name]) if wanted.name in row.metrics else None
    return next((each for each in row.figures if each.name == wanted.name and each.labels == wanted.labels), None)


def figures(row: Row) -> tuple[Figure, ...]:
    """Return all that a row holds as figures, those without labels first."""
    return (*_plain(row.metrics), *row.figures)


def _plain(metrics: Mapping[str, Value]) -> Iterator[Figure]:
    return (Figure(name=name, value=value) for name, value in metrics.items())


def select(figures: Iterable[Figure], name: str, **labels: LabelValue) -> tuple[Figure, ...]:
    """Return the figures of a name that have these labels, among others."""
    return tuple(
        figure
        for figure in figures
        if figure.name == name and all(figure.labels.get(label) == value for label, value in labels.items())
    )


def flat(metrics: Metrics, figures: Iterable[Figure]) -> dict[str, Value]:
    """Write metrics and figures as columns of one row: "latency_s wire=rest share=0.6 statistic=p90".

    The ends of an interval are columns of their own, beside the value's. For people and their tables: nothing of ours
    reads such a name.
    """
    row = dict(metrics)
    for figure in figures:
        column = " ".join((figure.name, *(f"{name}={_written(figure.labels[name])}" for name in _ordered(figure))))
        row[column] = figure.value
        row |= {f"{column} end={end}": at for end, at in (("low", figure.low), ("high", figure.high)) if at is not None}
    return row


def _ordered(figure: Figure) -> list[str]:
    order = list(LABELS)
    return sorted(figure.labels, key=lambda name: order.index(name) if name in order else len(order))


def _written(value: LabelValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
