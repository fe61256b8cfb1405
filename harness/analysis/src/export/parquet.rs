//! Parquet: a table each for objects, edges, types and roots.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use ::parquet::errors::Result;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;

use crate::heap::{Heap, Label, Names};

/// How many rows are put together before they are written.
const ROWS: usize = 1 << 18;

/// A table of a heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `node`, `address`, `size`, `type` (a row of [`Types`](Self::Types)), `retained`, and the `dominator`'s node; both are -1
    /// for what no root reaches.
    Objects,
    /// `source` and `target`, which are nodes.
    Edges,
    /// `type` and `name`.
    Types,
    /// `node`, the `parent`'s, `name`, `retained`.
    Roots,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 4] = [Self::Objects, Self::Edges, Self::Types, Self::Roots];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::Edges => "edges",
            Self::Types => "types",
            Self::Roots => "roots",
        }
    }

    fn schema(self) -> &'static str {
        match self {
            Self::Objects => {
                "message objects { required int64 node; required int64 address (uint_64); required int64 size; \
                 required int64 type; required int64 retained; required int64 dominator; }"
            }
            Self::Edges => "message edges { required int64 source; required int64 target; }",
            Self::Types => "message types { required int64 type; required binary name (string); }",
            Self::Roots => {
                "message roots { required int64 node; required int64 parent; required int64 retained; \
                 required binary name (string); }"
            }
        }
    }
}

/// Writes a table. Types have the same numbers in all tables of a heap.
///
/// # Errors
/// Those of `out`.
pub fn write(heap: &Heap<'_, '_>, table: Table, out: impl Write + Send) -> io::Result<()> {
    write_table(heap, table, out).map_err(|error| io::Error::other(error.to_string()))
}

fn write_table(heap: &Heap<'_, '_>, table: Table, out: impl Write + Send) -> Result<()> {
    let schema = Arc::new(parse_message_type(table.schema())?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut file = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
    let graph = heap.graph();
    let objects = || (0..graph.objects()).filter(|&object| !graph.is_excluded(object));
    match table {
        Table::Objects => {
            let mut types = Labels::default();
            rows(&mut file, objects(), |nodes, group| {
                let each = |value: &mut dyn FnMut(u32) -> u64| {
                    nodes.iter().map(|&n| value(n) as i64).collect::<Vec<_>>()
                };
                let dominator = |node| heap.dominators().immediate(node).map_or(u64::MAX, u64::from);
                let retained =
                    |node| if heap.dominators().reaches(node) { heap.retained(node) } else { u64::MAX };
                column::<Int64Type>(group, &each(&mut u64::from))?;
                column::<Int64Type>(group, &each(&mut |node| heap.index().address(node as usize)))?;
                column::<Int64Type>(group, &each(&mut |node| heap.size(node)))?;
                column::<Int64Type>(group, &each(&mut |node| types.number(heap.label(node), node)))?;
                column::<Int64Type>(group, &each(&mut |node| retained(node)))?;
                column::<Int64Type>(group, &each(&mut |node| dominator(node)))
            })?;
        }
        Table::Edges => {
            let edges = (0..graph.len())
                .flat_map(|node| graph.rows().row(node).iter().map(move |&target| (node, target)));
            rows(&mut file, edges, |edges, group| {
                let (sources, targets): (Vec<i64>, Vec<i64>) =
                    edges.iter().map(|&(source, target)| (i64::from(source), i64::from(target))).unzip();
                column::<Int64Type>(group, &sources)?;
                column::<Int64Type>(group, &targets)
            })?;
        }
        Table::Types => {
            let mut types = Labels::default();
            objects().for_each(|object| {
                types.number(heap.label(object), object);
            });
            let mut names = Names::new(heap);
            rows(&mut file, (0..).zip(types.all), |types, group| {
                let numbers: Vec<i64> = types.iter().map(|&(number, _)| number).collect();
                let names: Vec<ByteArray> =
                    types.iter().map(|&(_, (label, object))| names.name(label, object).into()).collect();
                column::<Int64Type>(group, &numbers)?;
                column::<ByteArrayType>(group, &names)
            })?;
        }
        Table::Roots => {
            let mut names = Names::new(heap);
            let roots = graph.roots().map(|(node, root)| (node, root.parent));
            rows(&mut file, roots, |roots, group| {
                let nodes: Vec<i64> = roots.iter().map(|&(node, _)| node.into()).collect();
                let parents: Vec<i64> = roots.iter().map(|&(_, parent)| parent.into()).collect();
                let retained: Vec<i64> = roots.iter().map(|&(node, _)| heap.retained(node) as i64).collect();
                let names: Vec<ByteArray> =
                    roots.iter().map(|&(node, _)| names.name(heap.label(node), node).into()).collect();
                column::<Int64Type>(group, &nodes)?;
                column::<Int64Type>(group, &parents)?;
                column::<Int64Type>(group, &retained)?;
                column::<ByteArrayType>(group, &names)
            })?;
        }
    }
    file.close()?;
    Ok(())
}

/// The numbers of labels, as objects have them in the order of their addresses.
#[derive(Default)]
struct Labels {
    numbers: HashMap<Label, u64>,
    /// Each with an object that has it.
    all: Vec<(Label, u32)>,
}

impl Labels {
    fn number(&mut self, label: Label, object: u32) -> u64 {
        let all = &mut self.all;
        *self.numbers.entry(label).or_insert_with(|| {
            all.push((label, object));
            all.len() as u64 - 1
        })
    }
}

/// Writes rows, group by group.
fn rows<T, W: Write + Send>(
    file: &mut SerializedFileWriter<W>,
    mut rows: impl Iterator<Item = T>,
    mut write: impl FnMut(&[T], &mut SerializedRowGroupWriter<'_, W>) -> Result<()>,
) -> Result<()> {
    loop {
        let some: Vec<T> = rows.by_ref().take(ROWS).collect();
        if some.is_empty() {
            return Ok(());
        }
        let mut group = file.next_row_group()?;
        write(&some, &mut group)?;
        group.close()?;
    }
}

/// Writes the next column of a group.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    values: &[T::T],
) -> Result<()> {
    let missing = || ::parquet::errors::ParquetError::General("more columns than the schema has".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}
