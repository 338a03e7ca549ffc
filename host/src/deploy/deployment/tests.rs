//! What holds in every state of a deployment, whatever the steps to it.

use super::super::canary::Share;
use super::*;
use crate::digest::Digest;
use proptest::prelude::*;

const KEPT: usize = 3;

fn version(number: u8) -> VersionId {
    VersionId(Digest::of(&[number]))
}

fn canary(number: u8) -> Canary {
    Canary { version: version(number), share: Share::percent(10).expect("test"), tester: None }
}

fn after(state: &Deployment, change: Change) -> Result<Option<Deployment>, ChangeError> {
    Deployment::after(Some(state), &change, state.generation + 1, 0, KEPT)
}

fn deployed(versions: &[u8]) -> Deployment {
    let mut state = None;
    for (generation, number) in versions.iter().enumerate() {
        let change = Change::Deploy(version(*number));
        let next = Deployment::after(state.as_ref(), &change, generation as u64 + 1, 0, KEPT);
        state = next.expect("a deployment").or(state);
    }
    state.expect("at least one")
}

#[test]
fn rollback_goes_back_and_forth_and_to_any_version_of_the_history() {
    let state = deployed(&[1, 2, 3]);
    let back = after(&state, Change::Rollback(None)).unwrap().unwrap();
    assert_eq!((back.active, back.previous), (version(2), Some(version(3))));
    let forth = after(&back, Change::Rollback(None)).unwrap().unwrap();
    assert_eq!(forth.active, version(3));
    let first = after(&forth, Change::Rollback(Some(version(1)))).unwrap().unwrap();
    assert_eq!((first.active, first.previous), (version(1), Some(version(3))));
    assert_eq!(after(&first, Change::Rollback(Some(version(9)))), Err(ChangeError::NoVersion(version(9))));
    assert_eq!(after(&deployed(&[1]), Change::Rollback(None)), Err(ChangeError::NoPrevious));
}

#[test]
fn canary_ends_by_promotion_or_by_rollback_and_keeps_deployments_out_meanwhile() {
    let state = after(&deployed(&[1]), Change::StartCanary(canary(2))).unwrap().unwrap();
    assert_eq!((state.active, state.canary.as_ref().map(|c| c.version)), (version(1), Some(version(2))));
    assert_eq!(after(&state, Change::Deploy(version(3))), Err(ChangeError::CanaryRunning));
    assert_eq!(after(&state, Change::StartCanary(canary(3))), Err(ChangeError::CanaryRunning));
    let promoted = after(&state, Change::Promote).unwrap().unwrap();
    assert_eq!((promoted.active, promoted.previous), (version(2), Some(version(1))));
    for change in [Change::Rollback(None), Change::EndCanary] {
        let ended = after(&state, change).unwrap().unwrap();
        assert_eq!((ended.active, &ended.canary), (version(1), &None));
    }
    assert_eq!(after(&promoted, Change::Promote), Err(ChangeError::NoCanary));
    assert_eq!(after(&promoted, Change::EndCanary), Err(ChangeError::NoCanary));
    assert_eq!(after(&promoted, Change::StartCanary(canary(2))), Err(ChangeError::AlreadyActive));
}

#[test]
fn what_changes_nothing_is_no_new_generation() {
    let state = deployed(&[1, 2]);
    for change in [Change::Deploy(version(2)), Change::Rollback(Some(version(2))), Change::Resume] {
        assert_eq!(after(&state, change.clone()), Ok(None), "{change:?}");
    }
}

#[test]
fn pause_has_a_reason_of_one_short_line() {
    let state = deployed(&[1]);
    let paused = after(&state, Change::Pause("maintenance".to_owned())).unwrap().unwrap();
    assert_eq!(paused.paused.as_deref(), Some("maintenance"));
    assert_eq!(after(&paused, Change::Resume).unwrap().unwrap().paused, None);
    for reason in ["a\nb".to_owned(), "x".repeat(PAUSE_REASON_BYTES_MAX + 1)] {
        assert_eq!(after(&state, Change::Pause(reason)), Err(ChangeError::PauseReason));
    }
    assert!(after(&state, Change::Pause("x".repeat(PAUSE_REASON_BYTES_MAX))).is_ok());
}

fn any_change() -> impl Strategy<Value = Change> {
    let number = 0u8..6;
    prop_oneof![
        4 => number.clone().prop_map(|n| Change::Deploy(version(n))),
        2 => proptest::option::of(number.clone()).prop_map(|n| Change::Rollback(n.map(version))),
        2 => number.prop_map(|n| Change::StartCanary(canary(n))),
        1 => Just(Change::EndCanary),
        1 => Just(Change::Promote),
        1 => Just(Change::Pause("x".to_owned())),
        1 => Just(Change::Resume),
    ]
}

proptest! {
    #[test]
    fn every_state_is_whole(changes in proptest::collection::vec(any_change(), 0..60)) {
        let mut state: Option<Deployment> = None;
        for (step, change) in changes.iter().enumerate() {
            let generation = step as u64 + 1;
            let next = Deployment::after(state.as_ref(), change, generation, generation, KEPT);
            let Ok(Some(next)) = next else { continue };
            prop_assert_eq!(next.generation, generation);
            let ids: Vec<_> = next.versions.iter().map(|deployed| deployed.id).collect();
            for needed in next.needed() {
                prop_assert!(ids.contains(&needed), "{:?} was forgotten in {:?}", needed, next);
            }
            prop_assert_ne!(Some(next.active), next.previous);
            prop_assert_ne!(Some(next.active), next.canary.as_ref().map(|canary| canary.version));
            prop_assert!(ids.len() <= KEPT + 3);
            let unique: std::collections::HashSet<_> = ids.iter().collect();
            prop_assert_eq!(unique.len(), ids.len());
            let text = serde_json::to_string(&next).expect("JSON");
            prop_assert_eq!(&serde_json::from_str::<Deployment>(&text).expect("its own text"), &next);
            state = Some(next);
        }
    }
}
