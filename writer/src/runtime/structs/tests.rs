//! The declarations against the DWARF of real binaries that Go 1.5.4 built.

use std::collections::BTreeMap;

use super::*;
use crate::target::{Amd64, Amd64p32, Arm, Arm64, I386, Ppc64, Ppc64le};

#[derive(serde::Deserialize)]
struct Facts {
    layouts: BTreeMap<String, BTreeMap<String, Layout>>,
}

#[derive(serde::Deserialize)]
struct Layout {
    size: u64,
    fields: BTreeMap<String, FieldLayout>,
}

#[derive(serde::Deserialize)]
struct FieldLayout {
    offset: u64,
}

/// Declared only as far as they are dumped: their sizes are not Go's.
const PARTIAL: [&str; 3] = ["mstats", "m", "finblock"];

/// Not in the DWARF: one has no name, the other is only ever used through a pointer.
const NOT_IN_DWARF: [&str; 2] = ["central", "findfuncbucket"];

fn compare<T: Target>() {
    let facts: Facts =
        serde_json::from_str(include_str!("../../../facts/go1.5.4-runtime-layouts.json")).unwrap();
    let of_target = &facts.layouts[T::GOARCH];
    let mut compared = 0;
    for (name, size, fields) in layouts::<T>() {
        if NOT_IN_DWARF.contains(&name) {
            continue;
        }
        let fact = &of_target[&format!("runtime.{name}")];
        for &(field, offset, _) in &fields {
            let dwarf = if field == "blank" { "_" } else { field };
            let expected = fact.fields.get(dwarf).unwrap_or_else(|| panic!("Go has no {name}.{field}"));
            assert_eq!(offset, expected.offset, "{}: {name}.{field}", T::GOARCH);
            compared += 1;
        }
        if PARTIAL.contains(&name) {
            // A field that is missing in the middle would have moved the later ones.
            assert!(size <= fact.size, "{}: sizeof {name}", T::GOARCH);
        } else {
            assert_eq!(fields.len(), fact.fields.len(), "{}: fields of {name}", T::GOARCH);
            assert_eq!(size, fact.size, "{}: sizeof {name}", T::GOARCH);
        }
    }
    assert!(compared > 250, "{compared} fields were compared");
}

#[test]
fn offsets_are_those_of_real_amd64_binaries() {
    compare::<Amd64>();
}

#[test]
fn offsets_are_those_of_real_386_binaries() {
    compare::<I386>();
}

#[test]
fn offsets_are_those_of_real_arm_binaries() {
    compare::<Arm>();
}

#[test]
fn offsets_are_those_of_real_ppc64_binaries() {
    compare::<Ppc64>();
}

/// Of the other targets there are no binaries; they lie like their relatives, except where said.
#[test]
fn offsets_of_the_other_targets_follow_from_their_relatives() {
    assert_eq!(layouts::<Ppc64le>(), layouts::<Ppc64>());
    for ((name, size, fields), of_amd64) in layouts::<Arm64>().into_iter().zip(layouts::<Amd64>()) {
        if !["mheap", "central"].contains(&name) {
            assert_eq!((name, size, fields), of_amd64, "the cache line matters to mheap only");
        }
    }
    // uintreg is 8 bytes, and 64-bit integers are aligned to 8.
    assert_eq!(Gobuf::ret::<Amd64p32>().offset, 16);
    assert_eq!(Gobuf::lr::<Amd64p32>().offset, 24);
    assert_eq!(M::procid::<Amd64p32>().offset % 8, 0);
}

#[test]
fn findfuncbucket_has_20_bytes() {
    assert_eq!(<FindFuncBucket as GoType<Amd64>>::SIZE, 20);
    assert_eq!(FindFuncBucket::subbuckets::<Arm>().offset, 4);
}

#[test]
fn a_finblock_has_room_for_as_many_finalizers_as_in_go() {
    assert_eq!(finalizers_per_block::<Amd64>(), 101);
    assert_eq!(finalizers_per_block::<I386>(), 204);
}

#[test]
fn no_args_is_all_ones() {
    assert_eq!(no_args::<Arm>(), 0xffff_ffff);
    assert_eq!(no_args::<Ppc64>(), u64::MAX);
}

#[test]
fn places_are_spelled_as_in_go() {
    let sp = G::sched::<Arm>().then(Gobuf::sp());
    assert_eq!(sp.place.to_string(), "g.sched.sp");
    assert_eq!(sp.offset, G::sched::<Arm>().offset);
    assert_eq!(Defer::r#fn::<Arm>().place.to_string(), "_defer.fn");
    assert_eq!(Field::<Arm, Ptr>::variable("allm").place.to_string(), "runtime.allm");
}
