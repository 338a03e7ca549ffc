//! What the cache keeps and what it gives up, over real files.

use super::*;
use crate::digest::Digest;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

fn cache(directory: &TempDir, bytes_max: u64) -> Cache {
    let config = CacheConfig::Directory(directory.path().to_owned());
    Cache::open(&config, bytes_max).expect("a directory of our own").expect("asked for")
}

fn origin(component: u8) -> Origin {
    Origin { component: Digest::of(&[component]), engine: Digest::of(b"engine") }
}

fn code(bytes: usize) -> Vouched {
    Vouched::compiled(vec![7; bytes], 0)
}

#[track_caller]
fn assert_found(cache: &Cache, component: u8, bytes: Option<usize>) {
    match (cache.get(&origin(component)), bytes) {
        (Found::Code(code), Some(bytes)) => assert_eq!(*code.bytes().expect("read"), vec![7; bytes]),
        (Found::Nothing, None) => {}
        (found, _) => panic!("{component}: {found:?}"),
    }
}

fn names(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

#[test]
fn what_is_kept_is_found_by_another_start_and_by_nobody_else() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let first = cache(&directory, MIB);
    assert_found(&first, 1, None);
    first.put(&origin(1), &code(1000)).expect("kept");
    assert_found(&first, 1, Some(1000));
    let second = cache(&directory, MIB);
    assert_found(&second, 1, Some(1000));
    assert_found(&second, 2, None);
    let other = Origin { engine: Digest::of(b"another"), ..origin(1) };
    assert!(matches!(second.get(&other), Found::Nothing));
    assert_eq!(names(&directory).len(), 2, "the code and the key: {:?}", names(&directory));
}

#[test]
fn a_file_under_the_name_of_another_is_rejected() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let cache = cache(&directory, MIB);
    cache.put(&origin(1), &code(1000)).expect("kept");
    fs::copy(cache.path(&origin(1)), cache.path(&origin(2))).expect("copied");
    let Found::Rejected(path, why) = cache.get(&origin(2)) else { panic!("not rejected") };
    assert_eq!((path, why.contains("another component")), (cache.path(&origin(2)), true));
}

#[test]
fn links_pipes_and_giants_are_not_read() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let cache = cache(&directory, MIB);
    cache.put(&origin(1), &code(1000)).expect("kept");
    symlink(cache.path(&origin(1)), cache.path(&origin(2))).expect("a link");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        cache.path(&origin(3)),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("a pipe");
    let giant = File::create(cache.path(&origin(4))).expect("a file");
    giant.set_len(1 << 40).expect("a hole");
    for component in 2..=4 {
        assert!(matches!(cache.get(&origin(component)), Found::Rejected(..)), "{component}");
    }
    // What is in the way is replaced.
    for component in 2..=4 {
        cache.put(&origin(component), &code(10)).expect("kept");
        assert_found(&cache, component, Some(10));
    }
    assert_found(&cache, 1, Some(1000));
}

#[test]
fn what_was_not_used_for_longest_makes_room() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let cache = cache(&directory, MIB);
    // Room for three and a half of them.
    let size = 300 * 1024;
    for (age, component) in [(3, 1), (2, 2), (1, 3)] {
        cache.put(&origin(component), &code(size)).expect("kept");
        let file = File::open(cache.path(&origin(component))).expect("a file");
        let then = Timespec { tv_sec: 1_000_000_000 - age, tv_nsec: 0 };
        futimens(&file, &Timestamps { last_access: then, last_modification: then }).expect("a time");
    }
    // The oldest one is used, so that it is not the oldest any more.
    assert_found(&cache, 1, Some(size));
    cache.put(&origin(4), &code(size)).expect("kept");
    assert_found(&cache, 2, None);
    for component in [1, 3, 4] {
        assert_found(&cache, component, Some(size));
    }
    // Writing one anew takes the room of nobody else.
    cache.put(&origin(4), &code(size)).expect("kept");
    assert_found(&cache, 3, Some(size));
}

#[test]
fn code_that_the_cache_has_no_room_for_costs_none_of_the_others() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let cache = cache(&directory, MIB);
    cache.put(&origin(1), &code(1000)).expect("kept");
    let error = cache.put(&origin(2), &code(2 << 20)).expect_err("too large");
    assert!(error.to_string().contains("cache-size"), "{error}");
    assert_found(&cache, 1, Some(1000));
    assert_found(&cache, 2, None);
    assert_eq!(names(&directory).len(), 2);
}

#[test]
fn the_key_is_for_its_owner_alone_and_one_that_is_not_vouches_for_nothing() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let first = cache(&directory, MIB);
    first.put(&origin(1), &code(1000)).expect("kept");
    let path = directory.path().join(KEY);
    let before = fs::read(&path).expect("a key");
    assert_eq!((before.len(), path.metadata().expect("a key").mode() & 0o777), (KEY_BYTES, 0o600));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
    let second = cache(&directory, MIB);
    assert_ne!(fs::read(&path).expect("a key"), before);
    assert_eq!(path.metadata().expect("a key").mode() & 0o777, 0o600);
    assert!(matches!(second.get(&origin(1)), Found::Rejected(..)));
    for wrong in [0, KEY_BYTES - 1, KEY_BYTES + 1] {
        fs::write(&path, vec![1; wrong]).expect("a key");
        cache(&directory, MIB);
        let now = fs::read(&path).expect("a key");
        assert!(now.len() == KEY_BYTES && now != [1; KEY_BYTES], "{wrong} bytes");
    }
}

#[test]
fn hosts_that_start_together_agree_on_a_key() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join(KEY);
    let keys: Vec<_> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..8).map(|_| scope.spawn(|| key(&path).expect("a key"))).collect();
        starting.into_iter().map(|thread| thread.join().expect("a start")).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0] && *key != [0; KEY_BYTES]));
    assert_eq!(names(&directory), [KEY]);
}

#[test]
fn a_directory_that_others_may_write_to_is_refused() {
    let directory = tempfile::tempdir().expect("temporary directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o770)).expect("chmod");
    let config = CacheConfig::Directory(directory.path().to_owned());
    let Err(why) = Cache::open(&config, MIB) else { panic!("opened") };
    assert!(why.contains("others may write to it (mode 770)"), "{why}");
    assert!(names(&directory).is_empty());
    assert!(Cache::open(&CacheConfig::Off, MIB).expect("nothing is asked for").is_none());
}

fn component(text: &str) -> Checked {
    Checked::from_bytes(wat::parse_str(text).expect("test component")).expect("a component")
}

#[test]
fn a_component_is_kept_where_there_is_room_and_found_while_it_is_what_it_was() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let kept = component("(component)");
    let cache = cache(&directory, MIB);
    assert_eq!(cache.component(kept.digest), None);
    for _ in 0..2 {
        cache.put_component(&kept).expect("kept");
        assert_eq!(cache.component(kept.digest).as_ref(), Some(&kept.bytes));
    }
    let path = cache.component_path(kept.digest);
    fs::write(&path, b"\0asm\x0d\0\x01\x01").expect("changed");
    assert_eq!(cache.component(kept.digest), None);
    assert!(!path.exists(), "it can be kept again");
    cache.put_component(&kept).expect("kept");
    assert_eq!(cache.component(kept.digest), Some(kept.bytes));
}

/// Code is what a start waits for: none of it goes for a component that may never be compiled again.
#[test]
fn no_code_goes_for_a_component() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let cache = cache(&directory, MIB);
    let most = usize::try_from(MIB).expect("a size") - OVERHEAD_BYTES;
    cache.put(&origin(1), &code(most)).expect("kept");
    cache.put_component(&component("(component)")).expect_err("no room");
    assert_found(&cache, 1, Some(most));
}
