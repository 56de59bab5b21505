//! What the client remembers of hosts by itself.

use std::time::Duration;

use windlass_registry::{
    Caller, Client, Endpoint, NextStep, Origin, RegistryConfig, RegistryError, Repository, Timeouts,
};
use windlass_testing::{ImageBuilder, Registry};

use crate::support::{app, client, fetch, host, layer, mirrored, noise, read, tag, upstream};

/// A mirror of a registry, and the client that asks them.
struct World {
    mirror: Registry,
    client: Client,
    endpoints: Vec<Endpoint>,
    _server: Registry,
}

fn world() -> World {
    world_with(Timeouts::default())
}

fn world_with(timeouts: Timeouts) -> World {
    let server = Registry::start();
    server.push(ImageBuilder::new(), "app:1");
    let mirror = Registry::builder().share_content_with(&server).start();
    let config = RegistryConfig {
        timeouts,
        ..mirrored(host(&mirror), &server)
    };
    World {
        mirror,
        endpoints: upstream(&config),
        client: client(config),
        _server: server,
    }
}

impl World {
    fn at_the_mirror(&self) -> Repository {
        let mirror = self.endpoints[0].clone();
        self.client.repository(mirror, app(), &Caller::anonymous())
    }

    fn is_demoted(&self) -> bool {
        self.client.is_demoted(&self.endpoints[0])
    }

    fn pause(&self) -> Option<Duration> {
        self.client.pause(self.endpoints[0].origin())
    }
}

/// T29: a mirror that is out of order, silent or gone is asked after the others until it answers again.
#[tokio::test]
async fn silence_is_remembered_until_it_is_broken() {
    let world = world();
    let repository = world.at_the_mirror();
    let faults: [fn(&Registry); 3] = [
        |mirror| mirror.manifest("1").status(500).then_ok(),
        |mirror| mirror.manifest("1").raw("").times(2).then_ok(),
        Registry::reset_connections,
    ];
    for fault in faults {
        fault(&world.mirror);
        fetch(&repository).await.unwrap_err();
        assert!(world.is_demoted());
        world.mirror.restore();
        fetch(&repository).await.unwrap();
        assert!(!world.is_demoted());
    }
}

/// An honest no is no fault, and shows that it is well.
#[tokio::test]
async fn an_honest_no_is_no_fault() {
    let world = world();
    let repository = world.at_the_mirror();
    world.mirror.manifest("1").status(500).then_ok();
    fetch(&repository).await.unwrap_err();
    assert!(world.is_demoted());
    for status in [404, 403] {
        world.mirror.manifest("1").status(status).then_ok();
        fetch(&repository).await.unwrap_err();
        assert!(!world.is_demoted(), "{status}");
    }
}

/// T29, T33: bodies that stall or break are remembered although answers still begin well.
#[tokio::test]
async fn bodies_that_break_are_remembered() {
    let hurry = Timeouts {
        stall: Duration::from_millis(200),
        ..Timeouts::default()
    };
    for (world, stalls) in [(world_with(hurry), true), (world(), false)] {
        let repository = world.at_the_mirror();
        let digest = world.mirror.put_blob("app", noise(1000));
        let route = world.mirror.blob(&digest);
        if stalls {
            route.stall_after(10).then_ok();
        } else {
            route.cut_after(10).then_ok();
        }
        let (_, _, error) = read(&repository, &layer(digest, 1000), 0).await;
        assert!(error.is_some());
        assert!(world.is_demoted(), "{stalls}");
        let head = repository.head(&tag("1")).await;
        head.expect("it answers").expect("it says the digest");
        assert!(world.is_demoted(), "{stalls}");
    }
}

/// T34: who wants to be left alone says so to everybody.
#[tokio::test]
async fn a_pause_is_shared() {
    for status in [429, 503] {
        let world = world();
        assert_eq!(world.pause(), None);
        let route = world.mirror.manifest("1").status(status);
        route.retry_after(100).then_ok();
        fetch(&world.at_the_mirror()).await.unwrap_err();
        let pause = world.pause().unwrap().as_secs_f64();
        assert!((90.0..=100.0).contains(&pause), "{pause}");
        assert!(world.is_demoted());
        // Whether to wait is for others to decide.
        fetch(&world.at_the_mirror()).await.unwrap();
        assert!(world.pause().is_some());
    }
}

/// T34: a day is not waited for, but neither is it believed for a day.
#[tokio::test]
async fn a_long_pause_is_looked_at_again() {
    let world = world();
    let route = world.mirror.manifest("1").status(429);
    route.retry_after(86_400).then_ok();
    let error = fetch(&world.at_the_mirror()).await.unwrap_err();
    let after = Some(Duration::from_secs(86_400));
    assert_eq!(error.next_step(), NextStep::Retry { after });
    assert!(world.pause().unwrap() <= Duration::from_secs(300));
}

/// T34: a token server that wants to be left alone is not asked by twenty sessions.
#[tokio::test]
async fn a_token_server_is_left_alone() {
    let tokens = Registry::builder().bearer().start();
    let registry = Registry::builder()
        .bearer_at(&format!("{}/token", tokens.url()))
        .start();
    registry.push(ImageBuilder::new(), "app:1");
    tokens.token().status(429).retry_after(100).then_ok();
    let client = client(RegistryConfig::default());
    let endpoint = Endpoint::parse(registry.url()).unwrap();
    for _ in 0..3 {
        let repository = client.repository(endpoint.clone(), app(), &Caller::anonymous());
        let error = fetch(&repository).await.unwrap_err();
        let RegistryError::TooManyRequests { context, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(context.origin.to_string(), tokens.url());
        let NextStep::Retry { after: Some(after) } = error.next_step() else {
            panic!("{error:?}")
        };
        assert!((90..=100).contains(&after.as_secs()), "{after:?}");
    }
    assert_eq!(tokens.log().len(), 1);
    assert!(
        client
            .pause(&Origin::parse(tokens.url()).unwrap())
            .is_some()
    );
    assert_eq!(client.pause(endpoint.origin()), None);
}
