"""Which of TensorFlow's operators do more than compute: a graph in any format that has them may contain these."""

from collections import Counter
from collections.abc import Iterable

# Operators that read or write files, memory outside of the graph or the network, or run Python. Taken from the list of
# all operators of TensorFlow 2.21 (`TF_GetAllOpList`): those with an argument that names a file, a folder, a place in
# memory or an address, and those that call back into the process. The datasets' older names begin with "Experimental".
# https://github.com/tensorflow/tensorflow/tree/master/tensorflow/core/ops
# https://github.com/tensorflow/tensorflow/blob/master/SECURITY.md
_LIST = """
PyFunc PyFuncStateless EagerPyFunc RemoteCall XlaCustomCall XlaCustomCallV2
ReadFile WriteFile MatchingFiles PrintV2 ImmutableConst DumpTensor CalibrationStatisticsSaver
Save SaveV2 SaveSlices Restore RestoreV2 RestoreSlice DTensorRestoreV2 MergeV2Checkpoints LoadAndRemapMatrix
GenerateVocabRemapping FixedUnigramCandidateSampler Skipgram RecordInput
InitializeTableFromTextFile InitializeTableFromTextFileV2
WholeFileReader WholeFileReaderV2 TextLineReader TextLineReaderV2 TFRecordReader TFRecordReaderV2
FixedLengthRecordReader FixedLengthRecordReaderV2 LMDBReader
TextLineDataset TFRecordDataset TFRecordDatasetV2 FixedLengthRecordDataset FixedLengthRecordDatasetV2 CSVDataset
CSVDatasetV2 LMDBDataset SqlDataset MatchingFilesDataset CacheDataset CacheDatasetV2 SnapshotDataset
SnapshotDatasetV2 SnapshotChunkDataset SnapshotDatasetReader SnapshotNestedDatasetReader ListSnapshotChunksDataset
SaveDataset SaveDatasetV2 LoadDataset DatasetToTFRecord
DistributedSave RegisterDataset RegisterDatasetV2 DataServiceDataset DataServiceDatasetV2 DataServiceDatasetV3
DataServiceDatasetV4 RpcClient RpcCall RpcServer RpcServerStart RpcServerRegister
CreateSummaryFileWriter CreateSummaryDbWriter FileSystemSetConfiguration
DebugIdentity DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary
"""
_REACHING = frozenset(_LIST.split())


def reaching(operators: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return those operators of a graph that do more than compute, with how often they are there."""
    counts: Counter[str] = Counter()
    for name, count in operators:
        if name.removeprefix("Experimental") in _REACHING:
            counts[name] += count
    return dict(sorted(counts.items()))
