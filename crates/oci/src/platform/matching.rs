//! Which offered platform runs on which wanted one, and how well.

use super::Platform;

impl Platform {
    /// Returns how well something made for `offered` runs on this platform: the higher, the better, and
    /// `None` for not at all.
    ///
    /// An older generation of the same architecture runs on a newer one: `arm/v6` on `arm/v7`, `amd64` on
    /// `amd64/v3`. Another architecture never does, even where the processor could (`386` on `amd64`):
    /// nobody asked for it.
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
        let wanted = generation(&self.architecture, self.variant.as_deref())?;
        let has = generation(&self.architecture, offered.variant.as_deref())?;
        let runs = match (self.architecture.as_str(), wanted, has) {
            // Each arm v9.x has everything of v8.(x + 5).
            ("arm64", (9, minor), (8, older)) => older <= minor + 5,
            ("arm64", (wanted, minor), (has, older)) => wanted == has && older <= minor,
            (_, wanted, has) => has <= wanted,
        };
        runs.then(|| has.0 * 1000 + has.1)
    }
}

/// Windows runs only what was made for its build: the first three numbers of the version.
fn same_build(wanted: Option<&str>, offered: Option<&str>) -> bool {
    let (Some(wanted), Some(offered)) = (wanted, offered) else {
        return true;
    };
    wanted.split('.').take(3).eq(offered.split('.').take(3))
}

/// Returns the generation that a variant stands for, as (major, minor), where generations have an order.
fn generation(architecture: &str, variant: Option<&str>) -> Option<(u32, u32)> {
    let oldest = match architecture {
        "amd64" => "v1",
        "arm64" => "v8",
        "arm" => "v7",
        _ => return None,
    };
    let version = variant.unwrap_or(oldest).strip_prefix('v')?;
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    // No more than two digits, so that ranks stay in order.
    let number = |digits: &str| digits.parse().ok().filter(|number| *number < 100);
    Some((number(major)?, number(minor)?))
}
