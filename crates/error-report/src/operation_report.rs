//! The reports of operation errors.

use windlass::error::{FilterError, FindError, LayerError, MountError, PullError};
use windlass::text;

use crate::advice::pull::{client_advice, pull_advice};
use crate::advice::registry::{self, RegistryAccess};
use crate::advice::store::{self, open_advice};
use crate::advice::transfer::transfer_advice;
use crate::advice::{Advice, bundle, credentials};
use crate::find_cause::find_error;
use crate::{ErrorCode, ErrorReport, OperationError};

impl OperationError {
    /// Returns the report for users and programs.
    pub fn report(&self) -> ErrorReport {
        ErrorReport::new(&self.message(), &self.tried(), &self.advice())
    }

    /// Returns the code and the hint.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Reference(_) => Advice::code(ErrorCode::InvalidReference),
            Self::Filter(error) => filter_advice(error),
            Self::Open(source) => open_advice(source),
            Self::Client(source) => client_advice(source),
            Self::Registry {
                reference,
                login,
                source,
                ..
            } => {
                let registry = reference.repository().registry();
                pull_advice(source, &RegistryAccess { registry, login })
            }
            Self::LogIn { registry, source } => registry::login_advice(source, registry),
            Self::SaveLogin { source, .. } | Self::LogOut { source, .. } => {
                credentials::login_file_advice(source)
            }
            Self::List(source) | Self::Inspect { source, .. } => store::store_advice(source),
            Self::Tag { source, .. } => store::tag_advice(source),
            Self::Remove { source, .. } => store::remove_advice(source),
            Self::Prune(source) => store::prune_advice(source),
            Self::Unpack {
                directory, source, ..
            } => store::unpack_advice(source, directory),
            Self::Bundle {
                name,
                directory,
                source,
            } => bundle::bundle_advice(source, name, directory),
            Self::Mount {
                directory, source, ..
            }
            | Self::Unmount { directory, source } => store::mount_advice(source, directory),
            Self::Transfer {
                source, registry, ..
            } => transfer_advice(source, registry.as_ref()),
        }
    }

    /// Returns whether the reader of the output has closed its end.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Transfer { source, .. } if source.is_broken_pipe())
    }

    /// Returns the error with its causes. The action is left out where the cause names the same image or directory.
    fn message(&self) -> String {
        if let Some(error @ (FindError::Unknown { .. } | FindError::Ambiguous { .. })) =
            find_error(self)
        {
            return text::error_chain(error);
        }
        if let Self::Unmount {
            source: source @ MountError::NotMounted { .. },
            ..
        } = self
        {
            return text::error_chain(source);
        }
        text::error_chain(self)
    }

    /// Returns the errors of the endpoints that were tried before the last one.
    fn tried(&self) -> Vec<String> {
        let Self::Registry { source, .. } = self else {
            return Vec::new();
        };
        let error = if let PullError::Registry(error) = &**source {
            error
        } else if let PullError::Layer { source, .. } = &**source
            && let LayerError::Download(error) = &**source
        {
            error
        } else {
            return Vec::new();
        };
        let others = error.others.iter();
        others.map(|error| text::error_chain(&**error)).collect()
    }
}

fn filter_advice(error: &FilterError) -> Advice {
    match error {
        FilterError::Key { usage, .. } => Advice::hint(
            ErrorCode::Filter,
            format!("available filters: {}", usage.keys().join(", ")),
        ),
        FilterError::Form { .. } | FilterError::Value { .. } => Advice::code(ErrorCode::Filter),
    }
}
