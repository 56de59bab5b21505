//! Advice for images that cannot become a bundle.

use std::path::Path;

use windlass::error::{BundleImageError, ConvertError};

use super::store::{find_advice, unpack_advice};
use super::{Advice, io_advice, repair_advice};
use crate::ErrorCode;

pub(crate) fn bundle_advice(error: &BundleImageError, name: &str, directory: &Path) -> Advice {
    match error {
        BundleImageError::Find(find) => find_advice(find),
        BundleImageError::Platform { wanted, .. } => Advice::hint(
            ErrorCode::NoPlatform,
            format!("pull that platform: `windlass pull --platform {wanted} {name}`"),
        ),
        BundleImageError::Read(_) | BundleImageError::Config(_) => repair_advice(),
        BundleImageError::Convert(convert) => convert_advice(convert),
        BundleImageError::Unpack(unpack) => unpack_advice(unpack, directory),
        BundleImageError::Directory { .. } => io_advice(error, false, ErrorCode::Io),
    }
}

fn convert_advice(error: &ConvertError) -> Advice {
    match error {
        ConvertError::OtherOs { .. } => Advice::code(ErrorCode::OtherOs),
        ConvertError::NoCommand => Advice::hint(
            ErrorCode::NoCommand,
            "give a command after `--`, such as `-- /bin/sh`",
        ),
        ConvertError::Nul { .. } => Advice::hint(
            ErrorCode::InvalidImage,
            "override it with --entrypoint or --cwd",
        ),
        ConvertError::RelativeCwd { .. } => Advice::hint(
            ErrorCode::InvalidCwd,
            "override it with an absolute path, such as --cwd /",
        ),
        ConvertError::InvalidUser { .. }
        | ConvertError::UnknownUser { .. }
        | ConvertError::UnknownGroup { .. }
        | ConvertError::Accounts { .. } => Advice::hint(
            ErrorCode::NoSuchUser,
            "choose another user, such as --user 0 or --user 1000:1000",
        ),
        ConvertError::Unmapped { .. } => Advice::hint(
            ErrorCode::UnmappedUser,
            "use --user 0 to run as the current user, or create and start the bundle as root",
        ),
    }
}
