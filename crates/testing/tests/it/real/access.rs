//! A registry with passwords, with TLS, or with both.

use windlass_testing::Ca;
use windlass_testing::real::{DockerRegistry, PASSWORD, RegistryAuth, USER};

use super::{RegistryFixture, can_inspect, can_run};

#[test]
fn a_registry_with_tls_requires_the_password_and_the_certificate() {
    if !can_run(&["docker-registry", "skopeo", "gzip"]) {
        return;
    }
    let fixture = RegistryFixture::new();
    let ca = Ca::new();
    let registry = DockerRegistry::builder(&fixture.path("registry"))
        .access(RegistryAuth::Basic)
        .tls(&ca)
        .start()
        .unwrap();

    fixture.push(&registry, "hold/app");
    registry.copy("hold/app:it", &fixture.path("copy")).unwrap();

    fixture.assert_copied(&fixture.path("copy"));
    assert!(registry.url().starts_with("https://127.0.0.1:"));
    let user = format!("--creds={USER}:{PASSWORD}");
    let trusting = "--tls-verify=false";
    let inspect = |options: &[&str]| can_inspect(&registry, "hold/app:it", options);
    assert!(inspect(&[trusting, &user]));
    assert!(!inspect(&[trusting, "--creds=bosun:wrong"]));
    assert!(!inspect(&[trusting, "--no-creds"]));
    assert!(!inspect(&[&user]), "without the authority's certificate");
}

#[test]
fn a_registry_listens_at_its_address() {
    if !can_run(&["docker-registry", "skopeo", "gzip"]) {
        return;
    }
    let fixture = RegistryFixture::new();
    let registry = DockerRegistry::builder(&fixture.path("registry"))
        .on([127, 0, 0, 3].into())
        .tls(&Ca::new())
        .start()
        .unwrap();

    fixture.push(&registry, "app");
    registry.copy("app:it", &fixture.path("copy")).unwrap();

    fixture.assert_copied(&fixture.path("copy"));
    assert!(registry.url().starts_with("https://127.0.0.3:"));
}
