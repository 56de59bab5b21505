//! The tasks of transfers.

use std::path::PathBuf;

use clap::ValueEnum;

use super::sources::TransferSources;
use super::tool::TransferTool;

/// A kind of transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::bench) enum TransferTask {
    /// From local storage into a Docker archive
    DockerArchive,
    /// From local storage into an OCI archive
    OciArchive,
    /// From local storage into an OCI layout
    Layout,
    /// From an OCI archive into local storage, unpacked
    Load,
    /// From a registry into an OCI layout
    Fetch,
    /// From one registry to another
    Across,
    /// From local storage to a registry
    Push,
}

impl TransferTask {
    /// Returns the description in the table.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::DockerArchive => "save into a Docker archive",
            Self::OciArchive => "save into an OCI archive",
            Self::Layout => "save into an OCI layout",
            Self::Load => "load an OCI archive",
            Self::Fetch => "copy from a registry into an OCI layout",
            Self::Across => "copy from a registry to another",
            Self::Push => "push",
        }
    }

    /// Returns whether the target is a registry.
    pub(super) fn needs_registry(self) -> bool {
        matches!(self, Self::Across | Self::Push)
    }

    /// Returns the source of `tool`; `None` for the registry.
    pub(super) fn source(self, tool: TransferTool, sources: &TransferSources) -> Option<PathBuf> {
        match self {
            Self::Fetch | Self::Across => None,
            Self::Load => Some(sources.archive()),
            Self::DockerArchive | Self::OciArchive | Self::Layout | Self::Push => {
                Some(match tool {
                    TransferTool::Windlass => sources.store(),
                    TransferTool::Podman => sources.root(),
                    _ => sources.layout(),
                })
            }
        }
    }
}
