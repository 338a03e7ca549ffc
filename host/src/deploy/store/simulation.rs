//! The store on a disk that forgets: at any step the power may go, and what was not synced by then is
//! there, or not, or torn. Whatever happens, the old or the new state is found.

use super::*;
use crate::deploy::deployment::{Change, Deployment};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard};

/// A file system in memory with a plug to pull.
#[derive(Default)]
struct FragileDisk(Mutex<State>);

#[derive(Clone, Default)]
struct State {
    files: BTreeMap<PathBuf, Vec<u8>>,
    durable: BTreeMap<PathBuf, Vec<u8>>,
    /// Changes of names that no sync has covered yet, in order.
    pending: Vec<Renaming>,
    /// Steps until the power goes, or the disk is full.
    steps_left: Option<u32>,
    fault: Fault,
    dead: bool,
    /// A file that the disk fails to read.
    unreadable: Option<PathBuf>,
    /// What decides on everything that a real disk leaves open.
    chance: u64,
}

/// One change of names: atomic, as a journal makes it.
#[derive(Clone)]
struct Renaming {
    directory: PathBuf,
    gone: Option<PathBuf>,
    there: Option<(PathBuf, Vec<u8>)>,
}

#[derive(Clone, Copy, Default, Debug, Eq, PartialEq)]
enum Fault {
    #[default]
    PowerLoss,
    DiskFull,
}

impl FragileDisk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("test")
    }

    fn arm(&self, fault: Fault, steps: u32, chance: u64) {
        let mut state = self.lock();
        (state.fault, state.steps_left, state.chance) = (fault, Some(steps), chance);
    }

    /// What a new start finds after the power went.
    fn after_power_loss(&self) -> Self {
        let mut state = self.lock().clone();
        for renaming in std::mem::take(&mut state.pending) {
            if state.toss() {
                renaming.apply(&mut state.durable);
            }
        }
        let files = state.durable.clone();
        Self(Mutex::new(State { durable: files.clone(), files, chance: state.chance, ..State::default() }))
    }
}

impl State {
    /// One more step: an error if it is the one that fails, or comes after the power went.
    fn step(&mut self) -> io::Result<()> {
        if self.dead {
            return Err(io::Error::other("no power"));
        }
        match &mut self.steps_left {
            Some(0) => {
                self.steps_left = None;
                match self.fault {
                    Fault::PowerLoss => {
                        self.dead = true;
                        Err(io::Error::other("no power"))
                    }
                    Fault::DiskFull => Err(ErrorKind::StorageFull.into()),
                }
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A coin, from a linear congruential generator (Knuth's MMIX).
    fn toss(&mut self) -> bool {
        self.chance =
            self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.chance >> 63 == 1
    }

    fn rename(&mut self, renaming: Renaming) {
        renaming.apply(&mut self.files);
        self.pending.push(renaming);
    }
}

impl Renaming {
    fn apply(&self, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        if let Some(gone) = &self.gone {
            files.remove(gone);
        }
        if let Some((path, bytes)) = &self.there {
            files.insert(path.clone(), bytes.clone());
        }
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().expect("a file is in a directory").to_owned()
}

impl Disk for FragileDisk {
    fn make_directory(&self, _: &Path) -> io::Result<()> {
        self.lock().step()
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let done = state.step();
        if state.dead && done.is_err() && !state.toss() {
            return done;
        }
        // What fails in the middle leaves a part.
        let bytes = if done.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        let there = Some((path.to_owned(), bytes.to_vec()));
        state.rename(Renaming { directory: parent(path), gone: None, there });
        done
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let done = state.step();
        if done.is_err() && !(state.dead && state.toss()) {
            return done;
        }
        let bytes = state.files.get(from).cloned().ok_or(ErrorKind::NotFound)?;
        let there = Some((to.to_owned(), bytes));
        state.rename(Renaming { directory: parent(to), gone: Some(from.to_owned()), there });
        done
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.step()?;
        let (synced, pending) =
            std::mem::take(&mut state.pending).into_iter().partition(|renaming| renaming.directory == path);
        state.pending = pending;
        let synced: Vec<Renaming> = synced;
        for renaming in synced {
            renaming.apply(&mut state.durable);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.step()?;
        state.files.get(path).ok_or(ErrorKind::NotFound)?;
        state.rename(Renaming { directory: parent(path), gone: Some(path.to_owned()), there: None });
        Ok(())
    }

    fn read(&self, path: &Path, _: u64) -> io::Result<Vec<u8>> {
        let state = self.lock();
        if state.unreadable.as_deref() == Some(path) {
            return Err(io::Error::other("the disk fails"));
        }
        Ok(state.files.get(path).cloned().ok_or(ErrorKind::NotFound)?)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        let files = state.files.keys().filter(|file| parent(file) == path);
        Ok(files.filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect())
    }
}

const DIRECTORY: &str = "/state";
const KEPT: usize = 2;

fn open(disk: &Arc<FragileDisk>) -> Result<Opened, StoreError> {
    Store::open_on(disk.clone(), Path::new(DIRECTORY), None)
}

/// Deploys version `number` to a handler, as the driver does.
fn deploy(store: &Store, manifest: &mut Manifest, number: u8) -> Result<(), StoreError> {
    let (attempted, _staged) = stage(store, manifest, number)?;
    store.commit(&attempted)?;
    *manifest = attempted;
    store.collect(manifest).map(drop)
}

fn stage(store: &Store, manifest: &Manifest, number: u8) -> Result<(Manifest, Staged), StoreError> {
    let component = [number / 2; 64];
    let staged = store.stage(&component, Version::sample(&component, &format!("{number}s")))?;
    Ok((next(manifest, number, staged.id), staged))
}

fn next(manifest: &Manifest, number: u8, id: VersionId) -> Manifest {
    let mut next = manifest.clone();
    next.generation += 1;
    let name = if number.is_multiple_of(3) { "a" } else { "b" };
    let change = Change::Deploy(id);
    let state = Deployment::after(next.handlers.get(name), &change, next.generation, 0, KEPT);
    if let Some(state) = state.expect("a deployment always can") {
        next.handlers.insert(name.to_owned(), state);
    }
    next
}

/// What would be the manifest after this deployment.
fn attempted(manifest: &Manifest, number: u8) -> Manifest {
    let component = [number / 2; 64];
    next(manifest, number, Version::sample(&component, &format!("{number}s")).id())
}

/// Nothing is damaged, and nothing is there that nobody needs.
fn assert_whole(store: &Store, manifest: &Manifest) {
    let damages = store.verify(manifest);
    assert!(damages.is_empty() || *manifest == Manifest::default(), "{damages:?}");
    let disk = &store.disk;
    let list = |part: &str| disk.list(&store.directory.join(part)).expect("a list");
    assert!(list("").iter().all(|name| name == MANIFEST), "{:?}", list(""));
    let needed: BTreeSet<String> = manifest.versions().iter().map(version_name).collect();
    assert_eq!(list(VERSIONS).into_iter().collect::<BTreeSet<_>>(), needed);
    let components = manifest
        .versions()
        .into_iter()
        .map(|id| component_name(&store.version(id).expect("a version").component));
    assert_eq!(list(COMPONENTS).into_iter().collect::<BTreeSet<_>>(), components.collect());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn power_loss_leaves_the_old_or_the_new_state(
        deployments in proptest::collection::vec(0u8..8, 1..8), steps in 0u32..120, chance: u64,
    ) {
        let disk = Arc::new(FragileDisk::default());
        disk.arm(Fault::PowerLoss, steps, chance);
        let mut possible = vec![Manifest::default()];
        if let Ok(Opened { store, mut manifest, .. }) = open(&disk) {
            for number in deployments {
                possible = vec![manifest.clone(), attempted(&manifest, number)];
                if deploy(&store, &mut manifest, number).is_err() {
                    break;
                }
                possible = vec![manifest.clone()];
            }
        }
        let disk = Arc::new(disk.after_power_loss());
        let opened = open(&disk).expect("what is left can be opened");
        prop_assert!(possible.contains(&opened.manifest), "{:?} is none of {possible:?}", opened.manifest);
        assert_whole(&opened.store, &opened.manifest);
    }

    #[test]
    fn full_disk_leaves_the_old_state_and_no_litter(
        deployments in proptest::collection::vec(0u8..8, 1..8), steps in 8u32..120,
    ) {
        let disk = Arc::new(FragileDisk::default());
        let Opened { store, mut manifest, .. } = open(&disk).expect("a new one");
        disk.arm(Fault::DiskFull, steps, 0);
        for number in deployments {
            let before = manifest.clone();
            match deploy(&store, &mut manifest, number) {
                Ok(()) => {}
                Err(StoreError::Unsynced { .. } | StoreError::Io { .. }) => return Ok(()),
                Err(error) => {
                    prop_assert!(matches!(error, StoreError::NoSpace { .. }), "{error:?}");
                    prop_assert_eq!(&before, &manifest);
                    prop_assert!(before.generation == 0 || store.verify(&manifest).is_empty());
                }
            }
        }
        let _ = store.collect(&manifest);
        assert_whole(&store, &manifest);
    }
}

#[test]
fn versions_in_use_are_not_cleared_away() {
    let disk = Arc::new(FragileDisk::default());
    let Opened { store, manifest, .. } = open(&disk).expect("a new one");
    let (_, staged) = stage(&store, &manifest, 1).expect("staged");
    assert_eq!(store.collect(&manifest).expect("cleared"), 0);
    assert_eq!(store.version(staged.id).expect("still there"), staged.version);
    drop(staged);
    assert_eq!(store.collect(&manifest).expect("cleared"), 2);
}

#[test]
fn components_of_versions_that_cannot_be_read_stay() {
    let disk = Arc::new(FragileDisk::default());
    let Opened { store, mut manifest, .. } = open(&disk).expect("a new one");
    deploy(&store, &mut manifest, 1).expect("deployed");
    drop(stage(&store, &manifest, 2).expect("staged"));
    let id = *manifest.versions().first().expect("one version");
    let path = store.directory.join(VERSIONS).join(version_name(&id));
    let count = |part: &str| disk.list(&store.directory.join(part)).expect("a list").len();
    disk.lock().unreadable = Some(path.clone());
    assert!(matches!(store.collect(&manifest), Err(StoreError::Io { .. })));
    assert_eq!((count(VERSIONS), count(COMPONENTS)), (2, 2), "nothing is removed");
    disk.lock().unreadable = None;
    let whole = disk.lock().files.insert(path.clone(), b"{}".to_vec()).expect("there");
    assert_eq!(store.collect(&manifest).expect("cleared"), 1);
    assert_eq!((count(VERSIONS), count(COMPONENTS)), (1, 2), "any of them may be the one");
    disk.lock().files.insert(path, whole);
    assert_eq!(store.collect(&manifest).expect("cleared"), 1);
    assert_whole(&store, &manifest);
}

#[test]
fn damaged_files_are_told_and_never_read() {
    let disk = Arc::new(FragileDisk::default());
    let Opened { store, mut manifest, .. } = open(&disk).expect("a new one");
    deploy(&store, &mut manifest, 1).expect("deployed");
    let paths: Vec<PathBuf> = disk.lock().files.keys().cloned().collect();
    for path in paths {
        let whole = disk.lock().files[&path].clone();
        let middle = whole.len() / 2;
        disk.lock().files.get_mut(&path).expect("there")[middle] ^= 1;
        let damages = store.verify(&manifest);
        assert!(matches!(&damages[..], [StoreError::Damaged { .. }]), "{}: {damages:?}", path.display());
        disk.lock().files.insert(path, whole);
    }
    assert!(store.verify(&manifest).is_empty());
}

#[test]
fn one_host_at_a_time_has_a_directory_and_nobody_else_may_write_to_it() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().join("state");
    let opened = Store::open(&directory).expect("a new one");
    assert_eq!(fs::metadata(&directory).expect("there").mode() & 0o777, 0o700);
    let Err(StoreError::InUse { .. }) = Store::open(&directory) else { panic!("two hosts share it") };
    let component = b"component";
    let staged = opened.store.stage(component, Version::sample(component, "1s")).expect("staged");
    assert_eq!(opened.store.component(staged.version.component).expect("there"), component);
    drop((opened, staged));
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o770)).expect("ours");
    let Err(StoreError::NotPrivate { .. }) = Store::open(&directory) else { panic!("others may write") };
}
