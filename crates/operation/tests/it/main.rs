//! Operations: their events, their outcomes and their cancellation.

use std::convert::Infallible;
use std::future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::timeout;
use windlass_operation::{Cancelled, Event, EventSender, Operation};

/// How long a test waits before it fails.
const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number(u32);

impl Event for Number {}

type Numbers = Operation<Number, u32, Cancelled>;

/// Sends two events, the second one and the outcome in the same poll.
fn future_that_ends_with_an_event() -> Numbers {
    Operation::new(|events: EventSender<Number>| async move {
        events.send(Number(1));
        tokio::task::yield_now().await;
        events.send(Number(2));
        Ok(3)
    })
}

fn blocking_work_that_ends_with_an_event() -> Numbers {
    Operation::blocking(|context| {
        context.send(Number(1));
        context.send(Number(2));
        Ok(3)
    })
}

#[tokio::test]
async fn events_of_the_last_step_arrive_before_the_outcome() {
    for operation in [
        future_that_ends_with_an_event(),
        blocking_work_that_ends_with_an_event(),
        blocking_work_that_ends_with_an_event().run_on(&tokio::runtime::Handle::current()),
        future_that_ends_with_an_event().then(|outcome| outcome),
    ] {
        let mut received = Vec::new();
        let outcome = operation.drive(|event| received.push(event)).await;
        assert_eq!((received, outcome), (vec![Number(1), Number(2)], Ok(3)));
    }
}

/// With more events than one task may receive in one poll before tokio makes it yield.
#[tokio::test]
async fn no_event_is_lost_however_many_there_are() {
    let operation: Numbers = Operation::new(|events: EventSender<Number>| async move {
        (0..10_000).for_each(|number| events.send(Number(number)));
        Ok(0)
    });
    let mut received = Vec::new();
    operation
        .drive(|Number(number)| received.push(number))
        .await
        .unwrap();
    assert_eq!(received, (0..10_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_outcome_can_be_awaited_after_the_events_or_without_them() {
    let mut operation = blocking_work_that_ends_with_an_event();
    assert_eq!(operation.next_event().await, Some(Number(1)));
    assert_eq!(operation.next_event().await, Some(Number(2)));
    assert_eq!(operation.next_event().await, None);
    assert_eq!(operation.next_event().await, None);
    assert_eq!(operation.await, Ok(3));
    assert_eq!(future_that_ends_with_an_event().await, Ok(3));
}

#[test]
fn an_operation_runs_without_a_runtime() {
    let mut received = Vec::new();
    let outcome = future_that_ends_with_an_event().run(|event| received.push(event));
    assert_eq!(outcome.unwrap(), Ok(3));
    assert_eq!(received, [Number(1), Number(2)]);
}

#[tokio::test]
async fn nothing_happens_before_the_first_poll() {
    let has_run = Arc::new(AtomicBool::new(false));
    let ran = Arc::clone(&has_run);
    let operation: Operation<Infallible, (), Cancelled> = Operation::blocking(move |_| {
        ran.store(true, Ordering::SeqCst);
        Ok(())
    });
    assert_eq!(operation.stop().await, None);
    assert!(!has_run.load(Ordering::SeqCst));
}

/// What lets the work go on, and what receives its outcome.
type Ends = (mpsc::Sender<()>, oneshot::Receiver<Result<u32, Cancelled>>);

/// Returns work that waits until it may go on, and then commits if it can.
fn work_that_commits(commits_early: bool) -> (Numbers, Ends) {
    let (go_on, waiting) = mpsc::channel();
    let (ended, end) = oneshot::channel();
    let operation = Operation::blocking(move |context| {
        if commits_early {
            context.begin_commit()?;
        }
        context.send(Number(1));
        waiting.recv().map_err(|_| Cancelled)?;
        context.begin_commit()?;
        Ok(7)
    })
    .then(|outcome| {
        let _ = ended.send(outcome);
        outcome
    });
    (operation, (go_on, end))
}

#[tokio::test]
async fn work_that_has_not_begun_to_commit_never_does_once_it_is_dropped() {
    let runtime = tokio::runtime::Handle::current();
    for runs_elsewhere in [false, true] {
        let (mut operation, (go_on, end)) = work_that_commits(false);
        if runs_elsewhere {
            operation = operation.run_on(&runtime);
        }
        assert_eq!(operation.next_event().await, Some(Number(1)));
        drop(operation);
        go_on.send(()).unwrap();
        let ended = timeout(DEADLINE, end).await.unwrap();
        assert_eq!(ended, Ok(Err(Cancelled)));
    }
}

#[tokio::test]
async fn work_that_commits_goes_on_to_its_end() {
    let (mut operation, (go_on, end)) = work_that_commits(true);
    let (guard, released) = oneshot::channel::<()>();
    operation = operation.keep_until_done(guard);
    assert_eq!(operation.next_event().await, Some(Number(1)));
    drop(operation);
    go_on.send(()).unwrap();
    assert_eq!(timeout(DEADLINE, end).await.unwrap(), Ok(Ok(7)));
    // The guard is dropped after that, without an answer.
    timeout(DEADLINE, released).await.unwrap().unwrap_err();
}

/// Wherever the work runs, and whether that was decided before or after.
#[tokio::test]
async fn what_is_kept_outlives_blocking_work_that_was_dropped() {
    let runtime = tokio::runtime::Handle::current();
    for runs_elsewhere in [false, true] {
        let (mut operation, (go_on, end)) = work_that_commits(false);
        let (guard, mut released) = oneshot::channel::<()>();
        if runs_elsewhere {
            operation = operation.run_on(&runtime);
        }
        operation = operation.keep_until_done(guard);
        assert_eq!(operation.next_event().await, Some(Number(1)));
        drop(operation);
        assert_eq!(released.try_recv(), Err(TryRecvError::Empty));
        go_on.send(()).unwrap();
        let ended = timeout(DEADLINE, end).await.unwrap();
        assert_eq!(ended, Ok(Err(Cancelled)));
        timeout(DEADLINE, released).await.unwrap().unwrap_err();
    }
}

#[tokio::test]
async fn stopping_waits_for_blocking_work_and_returns_its_outcome() {
    let runtime = tokio::runtime::Handle::current();
    let stops = [
        (true, false, Ok(7)),
        (true, true, Ok(7)),
        (false, false, Err(Cancelled)),
        (false, true, Err(Cancelled)),
    ];
    for (commits_early, runs_elsewhere, expected) in stops {
        let (mut operation, (go_on, _end)) = work_that_commits(commits_early);
        if runs_elsewhere {
            operation = operation.run_on(&runtime);
        }
        assert_eq!(operation.next_event().await, Some(Number(1)));
        let stopping = tokio::spawn(operation.stop());
        tokio::task::yield_now().await;
        go_on.send(()).unwrap();
        let stopped = timeout(DEADLINE, stopping).await.unwrap().unwrap();
        assert_eq!(stopped, Some(expected));
    }
}

#[tokio::test]
async fn a_request_of_cancelled_work_is_given_up() {
    let (ended, end) = oneshot::channel();
    let mut operation: Numbers = Operation::blocking(|context| {
        context.send(Number(1));
        context.wait(future::pending())
    })
    .then(|outcome| {
        let _ = ended.send(outcome);
        outcome
    });
    assert_eq!(operation.next_event().await, Some(Number(1)));
    drop(operation);
    assert_eq!(timeout(DEADLINE, end).await.unwrap(), Ok(Err(Cancelled)));
}

/// The receiver always finds an event, because it sends the next one itself.
#[tokio::test]
async fn events_without_pause_do_not_keep_other_tasks_from_running() {
    let (mut sender, other) = (None, tokio::spawn(async {}));
    let operation: Numbers = Operation::new(|events| {
        events.send(Number(0));
        sender = Some(events);
        future::pending()
    });
    let (sender, (end, ended)) = (sender.unwrap(), oneshot::channel());
    let mut end = Some(end);
    let driven = operation.drive(|Number(number)| {
        sender.send(Number(number + 1));
        if number == 10_000 {
            end.take().unwrap().send(other.is_finished()).unwrap();
        }
    });
    tokio::select! {
        _ = driven => unreachable!("the work never ends"),
        has_run = ended => assert_eq!(has_run, Ok(true)),
    }
}

#[tokio::test]
async fn a_panic_of_blocking_work_is_passed_on() {
    let operation: Numbers = Operation::blocking(|_| panic!("a defect"));
    let error = tokio::spawn(operation.drive(drop)).await.unwrap_err();
    assert!(error.is_panic());
}
