//! Points at which a test makes a commit or a deletion fail or abort; without tests they do nothing.

use crate::error::FileError;

/// A step of a commit or a deletion; just before it, a test may end the process or report a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureStep {
    /// The barrier, after the marker `unsettled`.
    Barrier,
    /// The move of one draft into place.
    Move,
    /// The sync of the directories that were changed.
    SyncDirectories,
    /// The start of the transaction.
    Begin,
    /// The commit of the transaction.
    Commit,
    /// The removal of the marker.
    Settle,
    /// The commit of the transaction of a deletion.
    CommitDeletion,
    /// The move of one layer to `drafts/`, or the removal of one blob.
    RemoveContent,
    /// The removal of a layer's tree.
    RemoveTree,
}

/// Passes a step that cannot fail; a test may still end the process there.
pub(crate) fn passing(step: FailureStep) {
    drop(point(step));
}

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "with tests it can fail")]
pub(crate) fn point(_: FailureStep) -> Result<(), FileError> {
    Ok(())
}

#[cfg(test)]
pub(crate) use armed::{FailureAction, arm, point};

#[cfg(test)]
mod armed {
    use std::cell::Cell;
    use std::path::PathBuf;

    use super::{FailureStep, FileError};

    thread_local! {
        static ARMED: Cell<Option<(FailureStep, usize, FailureAction)>> = const { Cell::new(None) };
    }

    /// What a test makes happen at the step.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum FailureAction {
        /// The process aborts, as with `kill -9`.
        Abort,
        /// The disk is full.
        NoSpace,
    }

    impl FailureStep {
        pub(crate) const COMMIT: [Self; 6] = [
            Self::Barrier,
            Self::Move,
            Self::SyncDirectories,
            Self::Begin,
            Self::Commit,
            Self::Settle,
        ];
        pub(crate) const DELETION: [Self; 3] =
            [Self::CommitDeletion, Self::RemoveContent, Self::RemoveTree];
    }

    /// Makes `action` happen when this thread reaches `step`, after `skip` earlier passes.
    pub(crate) fn arm(step: FailureStep, skip: usize, action: FailureAction) {
        ARMED.set(Some((step, skip, action)));
    }

    pub(crate) fn point(step: FailureStep) -> Result<(), FileError> {
        match ARMED.get() {
            Some((armed, 0, action)) if armed == step => {
                ARMED.set(None);
                match action {
                    FailureAction::Abort => std::process::abort(),
                    FailureAction::NoSpace => {
                        let path = PathBuf::from(format!("{step:?}"));
                        Err(FileError::new("reach", path, rustix::io::Errno::NOSPC))
                    }
                }
            }
            Some((armed, skip, action)) if armed == step => {
                ARMED.set(Some((step, skip - 1, action)));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
