//! Places where a test can make a commit or a deletion fail or die; in a real build they are nothing.

use crate::error::FileError;

/// A moment in a commit or a deletion; the process may end, or the disk fail, just before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommitStep {
    /// The barrier, after the note `unsettled`.
    Barrier,
    /// The move of one draft to its place.
    Move,
    /// The sync of the directories that got something.
    SyncSections,
    /// The transaction.
    Begin,
    /// Its end.
    Commit,
    /// The removal of the note.
    Settle,
    /// The end of the transaction of a deletion.
    CommitDeletion,
    /// The move of one layer out of its place, or the removal of one blob.
    TakeAway,
    /// The removal of a layer's tree.
    RemoveTree,
}

/// Comes by a step that cannot fail; a process can still end there.
pub(crate) fn passing(step: CommitStep) {
    drop(point(step));
}

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "under test it fails")]
pub(crate) fn point(_: CommitStep) -> Result<(), FileError> {
    Ok(())
}

#[cfg(test)]
pub(crate) use armed::{FailureAction, arm, point};

#[cfg(test)]
mod armed {
    use std::cell::Cell;
    use std::path::PathBuf;

    use super::{CommitStep, FileError};

    thread_local! {
        static ARMED: Cell<Option<(CommitStep, usize, FailureAction)>> = const { Cell::new(None) };
    }

    /// What happens at the step.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum FailureAction {
        /// The process ends at once, as by `kill -9`.
        Die,
        /// The disk is full.
        NoSpace,
    }

    impl CommitStep {
        pub(crate) const COMMIT: [Self; 6] = [
            Self::Barrier,
            Self::Move,
            Self::SyncSections,
            Self::Begin,
            Self::Commit,
            Self::Settle,
        ];
        pub(crate) const DELETION: [Self; 3] =
            [Self::CommitDeletion, Self::TakeAway, Self::RemoveTree];
    }

    /// Makes `action` happen when this thread comes to `step`, having passed it `skip` times.
    pub(crate) fn arm(step: CommitStep, skip: usize, action: FailureAction) {
        ARMED.set(Some((step, skip, action)));
    }

    pub(crate) fn point(step: CommitStep) -> Result<(), FileError> {
        match ARMED.get() {
            Some((armed, 0, action)) if armed == step => {
                ARMED.set(None);
                match action {
                    FailureAction::Die => std::process::abort(),
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
