"""A SavedModel, loaded as TF Serving loads it: a graph in a session, its variables restored by the saver's operation.

Rules and texts: tensorflow/cc/saved_model/loader.cc and reader.cc. A model that Python could load only by its object
graph fails here as it would there. Specification: https://www.tensorflow.org/guide/saved_model
"""

from pathlib import Path
from typing import Any

from serving.reference.status import Code, StatusError, invalid

INIT = "__saved_model_init_op"  # the signature that initialises what is no variable
_TAGS = {"serve"}
_IN_THE_CALLERS_THREAD = -1


def meta_graph(folder: Path) -> Any:
    """Read the graph that is tagged for serving; texts: tensorflow/cc/saved_model/reader.cc."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    path = folder / "saved_model.pb"
    if not path.is_file():
        raise StatusError(
            Code.NOT_FOUND,
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {folder}.",
        )
    try:
        saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except DecodeError as error:
        raise StatusError(Code.DATA_LOSS, f"Can't parse {path} as binary proto") from error
    for candidate in saved.meta_graphs:
        if set(candidate.meta_info_def.tags) == _TAGS:
            return candidate
    raise StatusError(
        Code.NOT_FOUND,
        f"Could not find meta graph def matching supplied tags: {{ {' '.join(_TAGS)} }} in {folder}",
    )


def session(meta: Any, folder: Path, threads: int) -> Any:
    """Make a session of a meta graph, ready to be asked; `StatusError` in TensorFlow's words when it cannot be.

    An operation may use so many threads (0: TensorFlow chooses). The operations of a request run one after another in
    the thread that brought it: a hop to another thread costs more than a small model, and requests keep the cores busy.
    """
    import tensorflow as tf

    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=_IN_THE_CALLERS_THREAD
    )
    config.experimental.disable_thread_spinning = True  # it would keep clients on the same machine from running
    graph = tf.Graph()
    made = tf.compat.v1.Session(graph=graph, config=config)
    try:
        with graph.as_default():
            tf.graph_util.import_graph_def(meta.graph_def, name="")
        _initialise(made, meta, folder)
    except tf.errors.OpError as error:
        raise StatusError(Code(error.error_code), f"{error.message} (loading {folder})") from error
    except ValueError as error:  # what the importer raises has no code of its own
        raise invalid(f"{error} (loading {folder})") from error
    return made


def _initialise(made: Any, meta: Any, folder: Path) -> None:
    """Restore the variables and run the initialisers, with the paths of assets fed to both."""
    feeds = {asset.tensor_info.name: str(folder / "assets" / asset.filename) for asset in meta.asset_file_def}
    saver = meta.saver_def
    if saver.restore_op_name and (folder / "variables" / "variables.index").is_file():
        made.run(saver.restore_op_name, {**feeds, saver.filename_tensor_name: str(folder / "variables" / "variables")})
    if INIT in meta.signature_def:
        for output in meta.signature_def[INIT].outputs.values():
            made.run(output.name, feeds)
