//! Compressed sparse rows: the edges of a graph in two arrays.

/// The targets of each node's edges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Where each node's targets start, and at last where they end.
    starts: Vec<u32>,
    targets: Vec<u32>,
}

/// There are more nodes or edges than 32 bits can number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than 4,294,967,294 objects or pointers: too many for this graph")]
pub struct TooLarge;

impl Rows {
    /// No node.
    pub fn new() -> Self {
        Self { starts: vec![0], targets: Vec::new() }
    }

    /// The rows of `nodes` nodes with these edges, each from and to a node. Parallel edges become one.
    ///
    /// # Errors
    /// If they are too many.
    ///
    /// # Panics
    /// If an edge starts at no node.
    pub fn from_edges(nodes: u32, mut edges: Vec<(u32, u32)>) -> Result<Self, TooLarge> {
        edges.sort_unstable();
        let mut rows = Self::new();
        let mut rest = &edges[..];
        for node in 0..nodes {
            let (row, others) = rest.split_at(rest.partition_point(|&(from, _)| from <= node));
            rest = others;
            rows.push(row.iter().map(|&(_, to)| to))?;
        }
        assert!(rest.is_empty(), "an edge from node {} of {nodes}", rest[0].0);
        Ok(rows)
    }

    /// Adds the next node. A target that is repeated at once becomes one edge.
    ///
    /// # Errors
    /// If there are too many edges or nodes.
    #[inline]
    pub fn push(&mut self, targets: impl IntoIterator<Item = u32>) -> Result<(), TooLarge> {
        let start = self.targets.len();
        for target in targets {
            if self.targets.len() == start || self.targets.last() != Some(&target) {
                grow(&mut self.targets);
                self.targets.push(target);
            }
        }
        let end = u32::try_from(self.targets.len()).map_err(|_| TooLarge)?;
        if self.starts.len() >= u32::MAX as usize {
            return Err(TooLarge);
        }
        grow(&mut self.starts);
        self.starts.push(end);
        Ok(())
    }

    /// The number of nodes.
    pub fn len(&self) -> u32 {
        (self.starts.len() - 1) as u32
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of edges.
    pub fn edges(&self) -> u32 {
        self.targets.len() as u32
    }

    /// The targets of a node's edges.
    ///
    /// # Panics
    /// If there is no such node.
    #[inline]
    pub fn row(&self, node: u32) -> &[u32] {
        &self.targets[self.start(node) as usize..self.start(node + 1) as usize]
    }

    /// Where a node's targets start among all: for walks that keep a place.
    #[inline]
    pub(crate) fn start(&self, node: u32) -> u32 {
        self.starts[node as usize]
    }

    /// The target at a place among all.
    #[inline]
    pub(crate) fn target(&self, place: u32) -> u32 {
        self.targets[place as usize]
    }

    /// Where each node's targets start, and at last where they end; and all targets.
    pub(crate) fn parts(&self) -> (&[u32], &[u32]) {
        (&self.starts, &self.targets)
    }

    /// The rows of which these are the [`parts`](Self::parts), if they can be.
    pub(crate) fn from_parts(starts: Vec<u32>, targets: Vec<u32>) -> Option<Self> {
        let nodes = u32::try_from(starts.len().checked_sub(1)?).ok()?;
        let whole = starts[0] == 0 && starts[nodes as usize] as usize == targets.len();
        // Greatest and not all: that goes many at a time.
        let inside = targets.iter().fold(0, |most, &target| most.max(target)) < nodes.max(1);
        let sound = whole && starts.is_sorted() && inside && (nodes > 0 || targets.is_empty());
        sound.then_some(Self { starts, targets })
    }

    /// Gives back what has been reserved and is not used.
    pub fn shrink(&mut self) {
        self.starts.shrink_to_fit();
        self.targets.shrink_to_fit();
    }
}

/// Makes room by an eighth and not twofold: these arrays are most of what the analysis of a heap takes.
#[inline]
pub(crate) fn grow<T>(values: &mut Vec<T>) {
    if values.len() == values.capacity() {
        values.reserve_exact(values.len() / 8 + 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_edges_by_their_start() {
        let rows = Rows::from_edges(4, vec![(2, 0), (0, 3), (2, 1), (0, 3), (2, 0)]).unwrap();
        assert_eq!((rows.len(), rows.edges(), rows.is_empty()), (4, 3, false));
        assert_eq!([0, 1, 2, 3].map(|node| rows.row(node).to_vec()), [vec![3], vec![], vec![0, 1], vec![]]);
        assert!(Rows::new().is_empty());
    }
}
