//! `skopeo copy` and `umoci unpack`: the reference for the tree of an image.

use std::path::Path;

use windlass_testing::TreeSnapshot;
use windlass_testing::real::{command, run};

/// Copies and unpacks `reference` below `directory`; `options` are global options of `skopeo`.
pub(crate) fn tree(reference: &str, directory: &Path, options: &[&str]) -> TreeSnapshot {
    let (layout, bundle) = (directory.join("layout"), directory.join("bundle"));
    let copied = format!("{}:it", layout.display());
    run(command("skopeo")
        .arg("--insecure-policy")
        .args(options)
        .args(["copy", "--quiet", "--src-tls-verify=false"])
        .args([format!("docker://{reference}"), format!("oci:{copied}")]))
    .unwrap();
    run(command("umoci")
        .args(["unpack", "--image", &copied])
        .arg(&bundle))
    .unwrap();
    TreeSnapshot::of(bundle.join("rootfs")).unwrap()
}
