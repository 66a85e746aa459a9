use lorgnette_kernels::{Padding, Pool, PoolKind, PoolShape, Window, mean_hw, pool_window, reference};

use crate::levels::levels;
use crate::material::{Dice, UNTOUCHED, assert_close, assert_same, map, output_size, same, window};

#[test]
fn pool_window_is_its_twin() {
    let mut dice = Dice::new(31);
    let (one, three) = (Pool::new(1), Pool::new(3));
    let size = [11, 14];
    let windows = [
        window([2, 2], 2),
        same(window([3, 3], 2), size),
        window([3, 3], 2),
        same(window([3, 3], 1), size),
        window([11, 14], 1),
        window([1, 1], 2),
        Window { padding: Padding { top: 1, bottom: 1, left: 1, right: 1 }, ..window([3, 3], 2) },
    ];
    for level in levels() {
        for (window, kind) in windows.iter().flat_map(|&w| [(w, PoolKind::Max), (w, PoolKind::Average)]) {
            for channels in [1, 3, 5, 16, 17, 33, 64, 100] {
                let [height, width] = output_size(&window, size).unwrap();
                let gaps = [dice.between(0, 3), dice.between(0, 3)];
                let input = map(2, size[0], size[1], channels, gaps[0]);
                let shape = PoolShape { input, output: map(2, height, width, channels, gaps[1]), window, kind };
                let mut values = dice.values(&input);
                values[input.stride * 40] = dice.one_of(&[f32::NAN, f32::INFINITY, 0.0]);
                let mut answers = [(); 3].map(|()| vec![UNTOUCHED; shape.output.len()]);
                reference::pool_window(&shape, &values, &mut answers[0]);
                pool_window(level, &shape, &values, &mut answers[1], &one);
                pool_window(level, &shape, &values, &mut answers[2], &three);
                assert_close(&answers[1], &answers[0], &(level, shape));
                assert_same(&answers[2], &answers[1], &(level, shape));
            }
        }
    }
}

#[test]
fn mean_hw_is_its_twin() {
    let mut dice = Dice::new(32);
    let pool = Pool::new(2);
    for level in levels() {
        for (size, channels) in [([1, 1], 5), ([7, 7], 1024), ([8, 3], 65), ([60, 70], 17)] {
            let map = map(3, size[0], size[1], channels, dice.between(0, 4));
            let input = dice.values(&map);
            let (mut slow, mut fast) = (vec![0.0; 3 * channels], vec![0.0; 3 * channels]);
            reference::mean_hw(&map, &input, &mut slow);
            mean_hw(level, &map, &input, &mut fast, &pool);
            assert_close(&fast, &slow, &(level, map));
        }
    }
}
