//! Cells that are connected on a grid: each touches the next at a side.

/// Collects the seeds and all cells that are connected with them, through cells that `enters`
/// accepts. It is called for each cell at a side of one that is collected, and accepts a cell once.
/// Cells are numbered row by row.
pub(crate) fn connected(
    seeds: Vec<usize>,
    size: GridSize,
    mut enters: impl FnMut(usize) -> bool,
) -> Vec<usize> {
    let GridSize { columns, cells } = size;
    let mut found = seeds;
    let mut next = 0;
    while let Some(&cell) = found.get(next) {
        next += 1;
        let column = cell % columns;
        let at_sides = [
            (column > 0).then(|| cell - 1),
            (column + 1 < columns).then_some(cell + 1),
            cell.checked_sub(columns),
            Some(cell + columns).filter(|&below| below < cells),
        ];
        found.extend(at_sides.into_iter().flatten().filter(|&cell| enters(cell)));
    }
    found
}

/// The size of a grid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GridSize {
    /// Cells in a row.
    pub(crate) columns: usize,
    /// Cells in all rows.
    pub(crate) cells: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_connected_at_sides_and_not_at_corners_or_around_edges() {
        let grid = [
            1, 1, 0, 1, //
            0, 1, 0, 1, //
            1, 0, 1, 1,
        ];
        let collected = |seed: usize| {
            let mut is_waiting: Vec<bool> = grid.iter().map(|&inside| inside == 1).collect();
            is_waiting[seed] = false;
            let size = GridSize { columns: 4, cells: grid.len() };
            let mut cells =
                connected(vec![seed], size, |cell| std::mem::take(&mut is_waiting[cell]));
            cells.sort_unstable();
            cells
        };
        assert_eq!(collected(0), [0, 1, 5]);
        assert_eq!(collected(8), [8]);
        assert_eq!(collected(11), [3, 7, 10, 11]);
    }
}
