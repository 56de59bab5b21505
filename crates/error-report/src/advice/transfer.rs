//! Advice for transfers of images between the store, files and registries.

use std::io::ErrorKind;

use windlass::error::{
    CommitError, ImportError, LocalLayerError, RegistryError, UnpackErrorOrigin,
};

use super::pull::{platform_advice, pull_advice};
use super::registry::{self, RegistryAccess};
use super::{Advice, io_advice, io_kind, repair_advice, store};
use crate::transfer_cause::TransferCause;
use crate::{ErrorCode, LoginState, RegistryLogin, TransferError};

pub(crate) fn transfer_advice(error: &TransferError, registry: Option<&RegistryLogin>) -> Advice {
    let access = match registry {
        Some(RegistryLogin { registry, login }) => RegistryAccess { registry, login },
        None => RegistryAccess {
            registry: "",
            login: &LoginState::Missing,
        },
    };
    match error.cause() {
        TransferCause::Find(error) => store::find_advice(error),
        TransferCause::Pull(error) => pull_advice(error, &access),
        TransferCause::Registry(error) => registry::registry_advice(error, &access),
        TransferCause::Url(error) => url_advice(error, &access),
        TransferCause::Import(error) => import_advice(error),
        TransferCause::Platform(error) => platform_advice(error),
        TransferCause::IncompleteIndex => Advice::hint(
            ErrorCode::NoPlatform,
            "choose one image with `--platform`, or pull the image again with `--all-platforms`",
        ),
        TransferCause::DamagedImage => repair_advice(),
        TransferCause::Archive => match io_kind(error) {
            None | Some(ErrorKind::InvalidData) => Advice::code(ErrorCode::InvalidArchive),
            Some(_) => io_advice(error, false, ErrorCode::Io),
        },
        TransferCause::Output { .. } => output_advice(error),
        TransferCause::Other => io_advice(error, false, ErrorCode::Io),
    }
}

/// The output is elsewhere than the store, so `--root` does not help.
fn output_advice(error: &TransferError) -> Advice {
    let advice = io_advice(error, false, ErrorCode::Io);
    match advice.code {
        ErrorCode::NoSpace => Advice::hint(
            ErrorCode::NoSpace,
            "free space on that disk, or write to another one",
        ),
        code => Advice::code(code),
    }
}

/// A download of a URL sends no credentials.
fn url_advice(error: &RegistryError, access: &RegistryAccess<'_>) -> Advice {
    match error {
        RegistryError::Unauthorized { .. } | RegistryError::Denied { .. } => Advice::hint(
            ErrorCode::Unauthorized,
            "windlass downloads URLs without credentials: download the file with another program and pipe it into \
             `windlass import -`",
        ),
        RegistryError::Unexpected {
            status: 404 | 410, ..
        } => Advice::hint(ErrorCode::NotFound, "check the URL"),
        error => registry::registry_advice(error, access),
    }
}

fn import_advice(error: &ImportError) -> Advice {
    match error {
        ImportError::Empty => Advice::hint(
            ErrorCode::Empty,
            "check the program that writes the tar; to make an empty image, import an empty tar, such as that of \
             `tar -c -T /dev/null`",
        ),
        ImportError::Compression { name } => {
            let program = match *name {
                "bzip2" => "bzip2",
                _ => "xz",
            };
            Advice::hint(
                ErrorCode::Compression,
                format!("decompress it first: `{program} -dc FILE | windlass import -`"),
            )
        }
        ImportError::TooLarge { .. } => {
            Advice::hint(ErrorCode::TooLarge, "raise the limit with --max-size")
        }
        ImportError::Layer(layer) => match &**layer {
            LocalLayerError::Unpack(unpack) if unpack.origin() == UnpackErrorOrigin::Layer => {
                Advice::code(ErrorCode::InvalidArchive)
            }
            LocalLayerError::Read(_)
            | LocalLayerError::Put(_)
            | LocalLayerError::Write(_)
            | LocalLayerError::Unpack(_)
            | LocalLayerError::Store(_)
            | LocalLayerError::DiffId { .. } => io_advice(error, false, ErrorCode::Io),
        },
        ImportError::Commit(CommitError::UnresolvedLink { .. }) => {
            Advice::code(ErrorCode::InvalidArchive)
        }
        ImportError::Digest { .. } => Advice::code(ErrorCode::Usage),
        ImportError::Cancelled => Advice::code(ErrorCode::Interrupted),
        ImportError::Find(_)
        | ImportError::Read(_)
        | ImportError::Put(_)
        | ImportError::Commit(_) => io_advice(error, false, ErrorCode::Store),
    }
}
