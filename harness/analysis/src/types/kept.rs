//! A typing as it is kept in a file.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::dwarf::{Global, Variable};
use super::table::{Kind, Type, TypeId, Types};
use super::typing::Typing;
use crate::bits::Bits;

/// What is known of types and variables.
#[derive(Serialize, Deserialize)]
struct Table<'t> {
    word: u64,
    slide: u64,
    types: Cow<'t, [Type]>,
    by_descriptor: Vec<(u64, TypeId)>,
    globals: Cow<'t, [Global]>,
    variables: Vec<(u64, Cow<'t, [Variable]>)>,
    itabs: Vec<(u64, TypeId)>,
}

/// In the order of the keys, so that the same gives the same bytes.
fn sorted<V>(pairs: impl Iterator<Item = (u64, V)>) -> Vec<(u64, V)> {
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_unstable_by_key(|&(key, _)| key);
    pairs
}

impl Typing {
    /// The types of the objects by number, which objects start with a malloc header, and all that is known of types.
    pub(crate) fn parts(&self) -> (impl Iterator<Item = u32>, &[u64], Vec<u8>) {
        let pairs = |map: &HashMap<u64, TypeId>| sorted(map.iter().map(|(&key, &id)| (key, id)));
        let variables =
            self.variables.iter().map(|(&entry, variables)| (entry, Cow::Borrowed(&variables[..])));
        let table = Table {
            word: self.types.word,
            slide: self.slide,
            types: Cow::Borrowed(self.types.all()),
            by_descriptor: pairs(&self.types.by_descriptor),
            globals: Cow::Borrowed(&self.globals),
            variables: sorted(variables),
            itabs: pairs(&self.itabs),
        };
        let table = postcard::to_allocvec(&table).expect("memory does not fail");
        (self.ids.iter().map(|id| id.0), &self.headed.0, table)
    }

    /// The typing of so many objects of which these are the [`parts`](Self::parts), if they can be.
    pub(crate) fn from_parts(objects: usize, ids: Vec<u32>, headed: Vec<u64>, table: &[u8]) -> Option<Self> {
        let table: Table<'static> = postcard::from_bytes(table).ok()?;
        let Table { word, slide, types, by_descriptor, globals, variables, itabs } = table;
        let count = u32::try_from(types.len()).ok()?;
        let known = |id: &TypeId| id.0 < count;
        let sound = ids.len() == objects
            && ids.iter().fold(0, |most, &id| most.max(id)) < count
            && headed.len() == objects.div_ceil(64)
            && matches!(word, 4 | 8)
            && types.iter().all(|type_| parts_of(&type_.kind).all(|id| known(&id)))
            && by_descriptor.iter().chain(&itabs).all(|(_, id)| known(id))
            && globals.iter().all(|global| known(&global.type_))
            && globals.is_sorted_by_key(|global| global.address)
            && variables.iter().all(|(_, of)| of.iter().all(|variable| known(&variable.type_)));
        if !sound {
            return None;
        }
        let variables = variables.into_iter().map(|(entry, of)| (entry, Rc::from(of.into_owned()))).collect();
        Some(Self {
            ids: ids.into_iter().map(TypeId).collect(),
            headed: Bits(headed),
            types: Types::of(types.into_owned(), by_descriptor.into_iter().collect(), word),
            globals: globals.into_owned(),
            variables,
            itabs: itabs.into_iter().collect(),
            slide,
            plans: RefCell::default(),
        })
    }
}

/// The types that a type is made of.
fn parts_of(kind: &Kind) -> impl Iterator<Item = TypeId> {
    let (fields, [first, second]): (&[_], _) = match kind {
        Kind::Struct(fields) => (fields, [None; 2]),
        &(Kind::Pointer(of) | Kind::Slice(of) | Kind::Map(of) | Kind::Chan(of) | Kind::ChanBuffer(of)) => {
            (&[], [Some(of), None])
        }
        &(Kind::Array { element, .. } | Kind::Run { element, .. } | Kind::Partial { element, .. }) => {
            (&[], [Some(element), None])
        }
        &Kind::Directory { group, table } => (&[], [Some(group), Some(table)]),
        _ => (&[], [None; 2]),
    };
    fields.iter().map(|field: &super::Field| field.type_).chain(first).chain(second)
}
