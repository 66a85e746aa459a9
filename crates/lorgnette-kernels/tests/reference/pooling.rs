use lorgnette_kernels::{
    Padding, PoolKind, PoolShape, ThreadPool, Window, global_average_pool, pool_window, reference,
};

use crate::fixtures::{
    SENTINEL, TestRng, assert_close, assert_same, layout, output_size, same, window,
};
use crate::levels::levels;

#[test]
fn pool_window_matches_reference() {
    let mut rng = TestRng::new(31);
    let (one, three) = (ThreadPool::new(1), ThreadPool::new(3));
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
        for (window, kind) in
            windows.iter().flat_map(|&w| [(w, PoolKind::Max), (w, PoolKind::Average)])
        {
            for channels in [1, 3, 5, 16, 17, 33, 64, 100] {
                let [height, width] = output_size(&window, size).unwrap();
                let gaps = [rng.between(0, 3), rng.between(0, 3)];
                let input = layout(2, size[0], size[1], channels, gaps[0]);
                let shape = PoolShape {
                    input,
                    output: layout(2, height, width, channels, gaps[1]),
                    window,
                    kind,
                };
                let mut values = rng.values(&input);
                values[input.stride * 40] = rng.one_of(&[f32::NAN, f32::INFINITY, 0.0]);
                let mut answers = [(); 3].map(|()| vec![SENTINEL; shape.output.len()]);
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
fn global_average_pool_matches_reference() {
    let mut rng = TestRng::new(32);
    let pool = ThreadPool::new(2);
    for level in levels() {
        for (size, channels) in [([1, 1], 5), ([7, 7], 1024), ([8, 3], 65), ([60, 70], 17)] {
            let layout = layout(3, size[0], size[1], channels, rng.between(0, 4));
            let input = rng.values(&layout);
            let (mut expected, mut actual) = (vec![0.0; 3 * channels], vec![0.0; 3 * channels]);
            reference::global_average_pool(&layout, &input, &mut expected);
            global_average_pool(level, &layout, &input, &mut actual, &pool);
            assert_close(&actual, &expected, &(level, layout));
        }
    }
}
