//! The list of all settings, in the order of the help: a file for each section. Values that other values
//! depend on stand first, since they are stored in this order: memory and then instances, for one.

mod admission;
mod clients;
mod compiling;
mod deployments;
mod grants;
mod guests;
mod reuse;
mod scheduling;
mod serving;
mod supply;
mod tls;

use super::Setting;
use crate::config::mistake::Refusal;
use std::time::Duration;

const SECTIONS: [&[Setting]; 11] = [
    serving::SETTINGS,
    scheduling::SETTINGS,
    tls::SETTINGS,
    clients::SETTINGS,
    guests::SETTINGS,
    reuse::SETTINGS,
    admission::SETTINGS,
    grants::SETTINGS,
    supply::SETTINGS,
    compiling::SETTINGS,
    deployments::SETTINGS,
];

static ALL: [Setting; count()] = all();

/// Every setting.
pub static SETTINGS: &[Setting] = &ALL;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const fn count() -> usize {
    let (mut section, mut count) = (0, 0);
    while section < SECTIONS.len() {
        count += SECTIONS[section].len();
        section += 1;
    }
    count
}

const fn all() -> [Setting; count()] {
    let mut all = [SECTIONS[0][0]; count()];
    let (mut section, mut place) = (0, 0);
    while section < SECTIONS.len() {
        let mut row = 0;
        while row < SECTIONS[section].len() {
            all[place] = SECTIONS[section][row];
            place += 1;
            row += 1;
        }
        section += 1;
    }
    all
}

fn store<T>(place: &mut T, value: Result<T, Refusal>) -> Result<(), Refusal> {
    *place = value?;
    Ok(())
}

#[cfg(test)]
mod tests;
