//! `fields`: what is in them, who may change them, and what they refuse.

use behaviours3::wasip3::http::types::{Fields, HeaderError};

use crate::call::{Call, Check, Outcome};
use crate::ensure;

#[path = "../../conform/src/fields/both.rs"]
mod both;

pub(crate) use both::immutable;
use both::*;

pub(crate) const CHECKS: &[Check] = &[
    ("fields-new-are-empty", |call| Box::pin(async move { new_are_empty(&call) })),
    ("fields-made-by-a-guest-are-mutable", |call| Box::pin(async move { made_are_mutable(&call) })),
    ("fields-from-list-keep-every-pair", |call| Box::pin(async move { from_list_keeps_every_pair(&call) })),
    ("fields-from-list-refuse-bad-syntax", |call| {
        Box::pin(async move { from_list_refuses_bad_syntax(&call) })
    }),
    ("fields-from-list-refuse-the-forbidden", |call| {
        Box::pin(async move { from_list_refuses_the_forbidden(&call) })
    }),
    ("fields-absent-are-an-empty-list", |call| Box::pin(async move { absent_are_an_empty_list(&call) })),
    ("fields-empty-value-is-a-value", |call| Box::pin(async move { empty_value_is_a_value(&call) })),
    ("fields-has-tells-presence", |call| Box::pin(async move { has_tells_presence(&call) })),
    ("fields-names-ignore-case", |call| Box::pin(async move { names_ignore_case(&call) })),
    ("fields-values-are-bytes", |call| Box::pin(async move { values_are_bytes(&call) })),
    ("fields-set-replaces-all-values", |call| Box::pin(async move { set_replaces_all_values(&call) })),
    ("fields-set-refuses-bad-syntax", |call| Box::pin(async move { set_refuses_bad_syntax(&call) })),
    ("fields-delete-takes-all-values", |call| Box::pin(async move { delete_takes_all_values(&call) })),
    ("fields-delete-of-the-absent-does-nothing", |call| Box::pin(async move { delete_of_the_absent(&call) })),
    ("fields-append-keeps-what-was-there", |call| {
        Box::pin(async move { append_keeps_what_was_there(&call) })
    }),
    ("fields-append-refuses-bad-syntax", |call| Box::pin(async move { append_refuses_bad_syntax(&call) })),
    ("fields-of-the-connection-are-forbidden", |call| {
        Box::pin(async move { connections_own_are_forbidden(&call) })
    }),
    ("fields-copy-all-is-every-pair-in-order", |call| Box::pin(async move { entries_are_every_pair(&call) })),
    ("fields-clone-is-deep", |call| Box::pin(async move { clone_is_deep(&call) })),
    ("fields-get-and-delete-returns-the-values", |call| Box::pin(async move { get_and_delete(&call) })),
    ("fields-beyond-the-limit-are-refused", |call| Box::pin(async move { size_exceeded(&call) })),
];

fn list(fields: &Fields) -> Vec<(String, Vec<u8>)> {
    fields.copy_all()
}

fn get_and_delete(_: &Call) -> Outcome {
    let fields = made(&[("x-a", "1"), ("x-b", "b"), ("x-a", "2")])?;
    let taken = done("get-and-delete", fields.get_and_delete("X-A"))?;
    ensure!(taken == [b"1", b"2"], "{taken:?}");
    ensure!(list(&fields) == pairs(&[("x-b", "b")]), "{:?}", list(&fields));
    let taken = done("get-and-delete", fields.get_and_delete("x-a"))?;
    ensure!(taken.is_empty(), "again: {taken:?}");
    Ok(())
}

fn size_exceeded(_: &Call) -> Outcome {
    const VALUE: [u8; 1024] = [b'a'; 1024];
    const VALUES_MAX: usize = 4096;
    let fields = Fields::new();
    for count in 0..VALUES_MAX {
        match fields.append("x-a", &VALUE) {
            Ok(()) => {}
            Err(HeaderError::SizeExceeded) => {
                ensure!(fields.get("x-a").len() == count, "the refused one is there");
                return Ok(());
            }
            Err(error) => return Err(format!("after {count} KiB: {error:?}")),
        }
    }
    Err(format!("{VALUES_MAX} KiB are accepted"))
}
