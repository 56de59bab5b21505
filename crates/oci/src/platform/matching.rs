//! Compatibility of platforms.

use super::Platform;

impl Platform {
    /// Returns how well an image for `offered` runs on this platform: higher is better, `None` if it does not run.
    ///
    /// An older variant of the same architecture runs on a newer one: `arm/v6` on `arm/v7`, `amd64` on `amd64/v3`.
    /// Other architectures never match, not even those that the processor could run (`386` on `amd64`), because
    /// they were not requested.
    pub fn rank(&self, offered: &Self) -> Option<u32> {
        if self.os != offered.os || self.architecture != offered.architecture {
            return None;
        }
        if !same_build(self.os_version.as_deref(), offered.os_version.as_deref()) {
            return None;
        }
        if self.variant == offered.variant {
            return Some(u32::MAX);
        }
        let ours = variant_version(&self.architecture, self.variant.as_deref())?;
        let theirs = variant_version(&self.architecture, offered.variant.as_deref())?;
        let runs = match (self.architecture.as_str(), ours, theirs) {
            // arm64 v9.x includes everything of v8.(x + 5).
            ("arm64", (9, minor), (8, older)) => older <= minor + 5,
            ("arm64", (ours, minor), (theirs, older)) => ours == theirs && older <= minor,
            (_, ours, theirs) => theirs <= ours,
        };
        runs.then(|| theirs.0 * 1000 + theirs.1)
    }
}

/// Returns whether two versions of Windows have the same build, which is the first three numbers: Windows runs only
/// images that were made for its build. A missing version matches any.
fn same_build(wanted: Option<&str>, offered: Option<&str>) -> bool {
    let (Some(wanted), Some(offered)) = (wanted, offered) else {
        return true;
    };
    wanted.split('.').take(3).eq(offered.split('.').take(3))
}

/// Returns the version of a variant as (major, minor), for the architectures whose variants are ordered.
fn variant_version(architecture: &str, variant: Option<&str>) -> Option<(u32, u32)> {
    let oldest = match architecture {
        "amd64" => "v1",
        "arm64" => "v8",
        "arm" => "v7",
        _ => return None,
    };
    let version = variant.unwrap_or(oldest).strip_prefix('v')?;
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    // At most two digits, so that the order of the ranks is that of the versions.
    let number = |digits: &str| digits.parse().ok().filter(|number| *number < 100);
    Some((number(major)?, number(minor)?))
}
