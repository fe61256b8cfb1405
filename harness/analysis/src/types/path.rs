//! Where in a type an offset is, as one would write it in Go.

use super::table::{DEPTH, Kind, Shape, TypeId, Types};

/// A step on the way into a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// What the type is nested in says all that there is to say.
    Silent,
    /// An element.
    Element,
    /// A key of a map.
    Key,
}

impl Types {
    /// Where the value at an offset of a value is, as one would write it in Go: `.sessions`, `.pages[…].Title`. Empty at
    /// what the type is itself; what the runtime puts between a map and its elements is left out.
    pub fn path(&self, id: TypeId, offset: u64) -> String {
        let mut path = String::new();
        self.add_path(&mut path, id, offset, 0);
        path
    }

    fn add_path(&self, path: &mut String, id: TypeId, offset: u64, depth: u32) {
        if depth > DEPTH {
            return;
        }
        let type_ = self.get(id);
        match &type_.kind {
            Kind::Struct(fields) if type_.shape == Shape::Repeats => {
                self.add_map_part(path, fields, offset, depth)
            }
            Kind::Struct(fields) => {
                // A field without size may stand where the one is that is meant.
                let field = fields.iter().rev().find(|field| {
                    field.offset <= offset && self.get(field.type_).size > offset - field.offset
                });
                if let Some(field) = field {
                    let is_buffer = matches!(self.get(field.type_).kind, Kind::ChanBuffer(_));
                    if !self.is_part_of_map(id) && !is_buffer && !type_.is_atomic_pointer() {
                        path.push('.');
                        path.push_str(&field.name);
                    }
                    self.add_path(path, field.type_, offset - field.offset, depth + 1);
                }
            }
            Kind::Array { element, .. } | Kind::Run { element, .. } => {
                let size = self.get(*element).size;
                let inside_map = match self.get(*element).kind {
                    Kind::Pointer(of) => self.is_part_of_map(of),
                    _ => self.get(*element).shape == Shape::Repeats,
                };
                if size != 1 && !inside_map {
                    path.push_str("[…]");
                }
                if size > 0 {
                    self.add_path(path, *element, offset % size, depth + 1);
                }
            }
            Kind::Partial { offset: start, element } => {
                let size = self.get(*element).size;
                match offset.checked_sub(*start).filter(|&offset| offset < size) {
                    Some(offset) => self.add_path(path, *element, offset, depth + 1),
                    None => path.push_str(&format!("+{offset}")),
                }
            }
            Kind::Unknown | Kind::Sized { .. } | Kind::Header(_) => path.push_str(&format!("+{offset}")),
            _ => {}
        }
    }

    /// In a bucket or a group: a key, an element, or what belongs to neither.
    fn add_map_part(&self, path: &mut String, fields: &[super::Field], offset: u64, depth: u32) {
        let Some(field) = fields.iter().rev().find(|field| field.offset <= offset) else { return };
        let Kind::Array { element, .. } = self.get(field.type_).kind else { return };
        let size = self.get(element).size;
        let mut inside = if size == 0 { 0 } else { (offset - field.offset) % size };
        let (mut id, mut part) = (element, Part::Silent);
        match &*field.name {
            "keys" => part = Part::Key,
            "values" | "elems" => part = Part::Element,
            // Each slot has a key and an element.
            _ => {
                if let Kind::Struct(slot) = &self.get(element).kind
                    && let Some(field) = slot.iter().rev().find(|field| {
                        field.offset <= inside && inside - field.offset < self.get(field.type_).size
                    })
                {
                    part = if &*field.name == "key" { Part::Key } else { Part::Element };
                    (id, inside) = (field.type_, inside - field.offset);
                }
            }
        }
        match part {
            Part::Silent => return,
            Part::Element => path.push_str("[…]"),
            Part::Key => path.push_str("[key]"),
        }
        self.add_path(path, id, inside, depth + 1);
    }

    /// Whether a structure is the runtime's own part of a map.
    fn is_part_of_map(&self, id: TypeId) -> bool {
        self.get(id).shape == Shape::Inner
    }
}
