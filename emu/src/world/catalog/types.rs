//! Types and itabs: `dumptype`, its cache, and `itab_callback`.

use super::{Case, case, empty};
use crate::world::{Extent, Itab, Type, Uncommon, World};

/// A type that an interface holds directly, without an own name.
fn direct(string: &str, hash: u32) -> Type {
    Type {
        size: Extent::words(1),
        string: string.to_owned(),
        hash,
        kind: 22,
        direct_iface: true,
        ..Type::default()
    }
}

fn named(pkg_path: Option<&str>, name: Option<&str>) -> Type {
    let uncommon = Uncommon { pkg_path: pkg_path.map(str::to_owned), name: name.map(str::to_owned) };
    Type { uncommon: Some(uncommon), ..direct("*main.T", 0x1234_5678) }
}

/// One itab for each type, in the order in which `iterate_itabs` meets them.
fn in_order(types: Vec<Type>, order: &[usize]) -> World {
    let itabs = order.iter().enumerate().map(|(bucket, &typ)| Itab { typ, bucket }).collect();
    World { types, itabs, ..empty() }
}

/// Named types that an interface holds directly, besides pointers: the kinds whose methods have no
/// pointer type of their own between them and the itab, so that `dumptype` meets their names.
fn named_kinds() -> Vec<Type> {
    let named = |kind, name: &str| Type {
        kind,
        hash: u32::from(kind) << 8,
        string: format!("main.{name}"),
        ..named(Some("main"), Some(name))
    };
    vec![named(18, "Chan"), named(19, "Func"), named(21, "Map"), named(22, "Ptr"), named(26, "Pointer")]
}

/// Each of them by itself, twice, and between them a type whose string is its name.
pub(super) fn of_each_kind() -> World {
    let mut types = named_kinds();
    types.push(direct("*main.T", 5));
    in_order(types, &[0, 5, 1, 2, 5, 3, 0, 4, 1])
}

pub(super) fn cases() -> Vec<Case> {
    let colliding =
        |count: u32| (0..count).map(|i| direct(&format!("*main.T{i}"), 0x100 * i + 7)).collect::<Vec<_>>();
    let long = |len: usize| Type { string: "x".repeat(len), ..direct("", len as u32) };
    vec![
        case("no_types", "no types and no itabs", empty()),
        case(
            "type_without_name",
            "a type without uncommontype is named by its string",
            in_order(vec![direct("*int", 1)], &[0]),
        ),
        case(
            "type_with_name",
            "package path, dot, name",
            in_order(vec![named(Some("example.com/pkg"), Some("T"))], &[0]),
        ),
        case(
            "type_with_name_of_each_kind",
            "named channels, functions, maps and pointers, which interfaces hold directly",
            of_each_kind(),
        ),
        case(
            "type_names_over_the_dump",
            "Go 1.5 takes memory for a name, and in it finds its own buffer and cache as they are by then",
            World { dumper_state: true, ..of_each_kind() },
        ),
        case(
            "type_with_half_a_name",
            "uncommontype without package path, or without name: the string again",
            in_order(
                vec![named(None, Some("error")), named(Some("main"), None), named(None, None)],
                &[0, 1, 2],
            ),
        ),
        case(
            "type_with_empty_names",
            "empty strings are not nil: the name is a dot",
            in_order(vec![named(Some(""), Some(""))], &[0]),
        ),
        case(
            "type_names_around_the_buffer",
            "names as long as the sink's buffer, one byte shorter and one byte longer",
            in_order(vec![long(4095), long(4096), long(4097), long(9000), long(0)], &[0, 1, 2, 3, 4]),
        ),
        case(
            "itab_of_indirect_type",
            "the data word points to a value: the type of pointers is dumped; if that is nil, no type at all",
            in_order(
                vec![
                    Type {
                        direct_iface: false,
                        kind: 25,
                        ptrto: Some(1),
                        size: Extent { words: 2, bytes: 4 },
                        ..direct("main.S", 3)
                    },
                    direct("*main.S", 4),
                    Type { direct_iface: false, kind: 25, ..direct("main.Lonely", 5) },
                ],
                &[0, 2],
            ),
        ),
        case(
            "itab_of_scalar_type",
            "a direct type without pointers: the last case of itab_callback, and a false type flag",
            in_order(
                vec![Type { no_pointers: true, kind: 12, size: Extent::bytes(8), ..direct("uintptr", 6) }],
                &[0],
            ),
        ),
        case(
            "type_flag",
            "all combinations of direct interface and no pointers",
            in_order(
                vec![
                    Type { direct_iface: false, no_pointers: false, ptrto: Some(0), ..direct("a", 1) },
                    Type { direct_iface: false, no_pointers: true, ptrto: Some(1), ..direct("b", 2) },
                    direct("c", 3),
                    Type { no_pointers: true, ..direct("d", 4) },
                ],
                &[0, 1, 2, 3],
            ),
        ),
        case(
            "type_cache_front",
            "a type that was dumped last is at the front of its bucket",
            in_order(colliding(1), &[0, 0, 0]),
        ),
        case(
            "type_cache_move_to_front",
            "a type that was dumped earlier moves to the front, and is evicted last",
            in_order(colliding(6), &[0, 1, 2, 3, 0, 4, 0, 1, 3, 2, 5, 3, 0]),
        ),
        case(
            "type_cache_eviction",
            "five types in a bucket of four: the oldest is dumped again",
            in_order(colliding(5), &[0, 1, 2, 3, 4, 0, 1, 2, 3, 4]),
        ),
        case(
            "type_cache_buckets",
            "the low 8 bits of the hash choose the bucket, and no others",
            in_order(
                vec![direct("a", 0xffff_ff01), direct("b", 0x0000_0101), direct("c", 0x0000_0002)],
                &[0, 1, 2, 0, 1, 2],
            ),
        ),
        case(
            "type_cache_high_bit",
            "five types that would share a bucket if there were half as many",
            in_order((0..5).map(|i| direct("t", 128 * (i % 2) + 1)).collect(), &[0, 1, 2, 3, 4, 0]),
        ),
        case(
            "itab_chains",
            "itabs of one bucket: the last added is the first of its chain",
            World {
                types: vec![direct("a", 1), direct("b", 2), direct("c", 3)],
                itabs: [(0, 1008), (1, 5), (2, 5), (0, 5), (1, 0)]
                    .map(|(typ, bucket)| Itab { typ, bucket })
                    .to_vec(),
                ..empty()
            },
        ),
    ]
}
