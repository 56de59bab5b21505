//! Settings, events and progress of transfers, and the files that images are copied from and to.

pub use windlass_copy::{ArchiveCompression, BlobStatus, OutputTarget};
pub use windlass_pull::{
    LayerState, LayerStatus, LayerView, PlannedLayer, PullPhase, PullView, RateLimit, Reason,
    Retention, RetryPolicy, Setback, SetbackView, SplitPolicy, Throttle, Throughput, percent,
};
