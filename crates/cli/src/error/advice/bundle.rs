//! What to do about images that make no bundle.

use std::path::Path;

use windlass::{BundleImageError, ConvertError};

use super::store::{of_find, of_unpack};
use super::{Advice, of_disk};

pub(super) fn of_bundle(error: &BundleImageError, name: &str, directory: &Path) -> Advice {
    match error {
        BundleImageError::Find(find) => of_find(find),
        BundleImageError::Platform { wanted, .. } => Advice::hint(
            "no_platform",
            format!("`windlass pull --platform {wanted} {name}` brings that one"),
        ),
        BundleImageError::Read(_) | BundleImageError::Config(_) => {
            Advice::hint("store", "pull the image again: that repairs it")
        }
        BundleImageError::Convert(convert) => of_convert(convert),
        BundleImageError::Unpack(unpack) => of_unpack(unpack, directory),
        BundleImageError::Directory { .. } => of_disk(error, false, "io"),
    }
}

fn of_convert(error: &ConvertError) -> Advice {
    match error {
        ConvertError::OtherOs { .. } => Advice::code("other_os"),
        ConvertError::NoCommand => Advice::hint(
            "no_command",
            "say what to run behind `--`, as in `-- /bin/sh`",
        ),
        ConvertError::Nul { .. } => Advice::hint(
            "invalid_image",
            "say it yourself, with --entrypoint or --cwd",
        ),
        ConvertError::RelativeCwd { .. } => {
            Advice::hint("invalid_cwd", "name another one, as with --cwd /")
        }
        ConvertError::InvalidUser { .. }
        | ConvertError::UnknownUser { .. }
        | ConvertError::UnknownGroup { .. }
        | ConvertError::Accounts { .. } => Advice::hint(
            "no_such_user",
            "name another one, as with --user 0 or --user 1000:1000",
        ),
        ConvertError::Unmapped { .. } => Advice::hint(
            "unmapped_user",
            "give --user 0 to have it run as yourself, or make and start the bundle as root",
        ),
    }
}
