//! Fit of a bounding box to a place or to another box: from 0, not at all, to 1, entirely.
//!
//! All functions are continuous, so that a small change of a box changes the ranking little.

use crate::query::{Place, PlaceBox, Relation, Side, Third};

/// Maximum distance of a box's centre from the place, as a fraction of the photo: a little less
/// than half of a third, so that the centre of the photo is in no corner.
const MARGIN: f64 = 0.16;
/// Gap between two boxes, as a fraction of the photo, from which on they are not near each other.
const MAX_NEAR_GAP: f64 = 0.25;

/// A bounding box in fractions of the photo: x from the left, y from the top.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "they are what they are called")]
pub struct BoundingBox {
    pub x0: f64,
    pub x1: f64,
    pub y0: f64,
    pub y1: f64,
}

/// An interval of a coordinate.
type Interval = (f64, f64);

const WHOLE: Interval = (0.0, 1.0);
const HALVES: [Interval; 2] = [(0.0, 0.5), (0.5, 1.0)];
const THIRDS: [Interval; 3] = [(0.0, 1.0 / 3.0), (1.0 / 3.0, 2.0 / 3.0), (2.0 / 3.0, 1.0)];

impl Place {
    /// Returns the fit of a box. Its centre must lie in the place or near it; the part outside
    /// counts half.
    #[must_use]
    pub fn fit(self, bounds: &BoundingBox) -> f64 {
        let corners = [THIRDS[0], THIRDS[2]];
        match self {
            Self::Corner => {
                let corners = corners
                    .iter()
                    .flat_map(|&columns| corners.map(|rows| fit_in(bounds, columns, rows)));
                corners.fold(0.0, f64::max)
            }
            Self::Foreground => fit_foreground(bounds),
            Self::Background => 1.0 - fit_foreground(bounds),
            _ => {
                let (columns, rows) = self.intervals();
                fit_in(bounds, columns, rows)
            }
        }
    }

    /// Returns the intervals of x and y that every box with a fit above 0 meets.
    #[must_use]
    pub fn search_bounds(self) -> (Interval, Interval) {
        let (columns, rows) = self.intervals();
        let wider = |interval: Interval| {
            let margin = margin(interval);
            (interval.0 - margin, interval.1 + margin)
        };
        (wider(columns), wider(rows))
    }

    /// Returns left, top, right and bottom of the place; `None` for one that is no box.
    #[must_use]
    pub fn bounds(self) -> Option<[f64; 4]> {
        match self {
            Self::Anywhere | Self::Corner | Self::Foreground | Self::Background => None,
            _ => {
                let (columns, rows) = self.intervals();
                Some([columns.0, rows.0, columns.1, rows.1])
            }
        }
    }

    /// Returns the intervals of x and y that contain the place.
    fn intervals(self) -> (Interval, Interval) {
        let third = |third: Option<Third>| third.map_or(WHOLE, |third| THIRDS[third as usize]);
        match self {
            Self::Anywhere | Self::Corner | Self::Foreground | Self::Background => (WHOLE, WHOLE),
            Self::Thirds { row, column } => (third(column), third(row)),
            Self::Half(Side::Left) => (HALVES[0], WHOLE),
            Self::Half(Side::Right) => (HALVES[1], WHOLE),
            Self::Half(Side::Top) => (WHOLE, HALVES[0]),
            Self::Half(Side::Bottom) => (WHOLE, HALVES[1]),
            Self::Quarter { lower, right } => {
                (HALVES[usize::from(right)], HALVES[usize::from(lower)])
            }
            Self::Box(PlaceBox { x0, y0, x1, y1 }) => ((x0, x1), (y0, y1)),
        }
    }
}

impl Relation {
    /// Returns the fit of box `a` to box `b`.
    #[must_use]
    pub fn fit(self, a: &BoundingBox, b: &BoundingBox) -> f64 {
        match self {
            Self::LeftOf => fit_before((a.x0, a.x1), (b.x0, b.x1), gap((a.y0, a.y1), (b.y0, b.y1))),
            Self::RightOf => Self::LeftOf.fit(b, a),
            Self::Above => Self::LeftOf.fit(&a.transposed(), &b.transposed()),
            Self::Below => Self::LeftOf.fit(&b.transposed(), &a.transposed()),
            Self::Inside if a.area() > b.area() => 0.0,
            // Half of the area inside gives a fit of 0.
            Self::Inside => (2.0 * ratio(a.intersection_area(b), a.area()) - 1.0).max(0.0),
            Self::Overlapping => ratio(a.intersection_area(b), a.area().min(b.area())),
            Self::Near => {
                let gap = gap((a.x0, a.x1), (b.x0, b.x1)).hypot(gap((a.y0, a.y1), (b.y0, b.y1)));
                (1.0 - gap / MAX_NEAR_GAP).max(0.0)
            }
        }
    }
}

impl BoundingBox {
    fn transposed(&self) -> Self {
        Self { x0: self.y0, x1: self.y1, y0: self.x0, y1: self.x1 }
    }

    fn area(&self) -> f64 {
        length((self.x0, self.x1)) * length((self.y0, self.y1))
    }

    fn intersection_area(&self, other: &Self) -> f64 {
        overlap((self.x0, self.x1), (other.x0, other.x1))
            * overlap((self.y0, self.y1), (other.y0, other.y1))
    }
}

fn fit_in(bounds: &BoundingBox, columns: Interval, rows: Interval) -> f64 {
    fit_along((bounds.x0, bounds.x1), columns) * fit_along((bounds.y0, bounds.y1), rows)
}

/// Returns how near the camera a box is: things that stand further away stand higher in a photo. It
/// is 1 if the lower edge is in the bottom third, and falls to 0 within the margin above that.
fn fit_foreground(bounds: &BoundingBox) -> f64 {
    let above = (THIRDS[2].0 - bounds.y1).max(0.0);
    (1.0 - above / MARGIN).max(0.0)
}

/// Returns the distance from an interval at which the fit is 0; less for a short one.
fn margin(interval: Interval) -> f64 {
    MARGIN.min(length(interval) / 2.0)
}

/// Returns the fit of one side of a box to a band, from the distance of its centre and the overlap
/// relative to the shorter one.
fn fit_along(side: Interval, interval: Interval) -> f64 {
    if interval == WHOLE {
        return 1.0;
    }
    let middle = (side.0 + side.1) / 2.0;
    let beyond = (interval.0 - middle).max(middle - interval.1).max(0.0);
    let near = (1.0 - beyond / margin(interval)).max(0.0);
    let shorter = length(side).min(length(interval));
    // A side without length lies at its centre.
    let overlap = if shorter > 0.0 { overlap(side, interval) / shorter } else { 1.0 };
    near * (1.0 + overlap.min(1.0)) / 2.0
}

/// Returns how well `a` precedes `b` along an axis. It is 0 up to half of the distance of centres
/// at which the two touch, 1 from that distance on, and less where the gap across the axis is large
/// relative to the distance along it.
fn fit_before(a: Interval, b: Interval, gap: f64) -> f64 {
    let distance = (b.0 + b.1 - a.0 - a.1) / 2.0;
    if distance <= 0.0 {
        return 0.0;
    }
    let touching = (length(a) + length(b)) / 2.0;
    let separation =
        if distance < touching { (2.0 * distance / touching - 1.0).max(0.0) } else { 1.0 };
    separation * distance / (distance + gap)
}

fn gap(a: Interval, b: Interval) -> f64 {
    (a.0 - b.1).max(b.0 - a.1).max(0.0)
}

fn overlap(a: Interval, b: Interval) -> f64 {
    (a.1.min(b.1) - a.0.max(b.0)).max(0.0)
}

fn length(interval: Interval) -> f64 {
    (interval.1 - interval.0).max(0.0)
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole).min(1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn bounding_box(x0: f64, x1: f64, y0: f64, y1: f64) -> BoundingBox {
        BoundingBox { x0, x1, y0, y1 }
    }

    const TOP_LEFT: Place = Place::Thirds { row: Some(Third::First), column: Some(Third::First) };
    const MIDDLE: Place = Place::Thirds { row: Some(Third::Middle), column: Some(Third::Middle) };

    #[test]
    fn a_box_fits_the_place_that_contains_it() {
        assert_eq!(TOP_LEFT.fit(&bounding_box(0.0, 0.3, 0.0, 0.3)), 1.0);
        assert_eq!(TOP_LEFT.fit(&bounding_box(0.7, 1.0, 0.0, 0.3)), 0.0);
        assert_eq!(
            MIDDLE.fit(&bounding_box(0.1, 0.9, 0.2, 0.8)),
            1.0,
            "large things are in the middle too"
        );
        assert_eq!(
            TOP_LEFT.fit(&bounding_box(0.0, 1.0, 0.0, 1.0)),
            0.0,
            "what fills the photo is in no corner"
        );
        assert_eq!(Place::Corner.fit(&bounding_box(0.7, 1.0, 0.0, 0.3)), 1.0);
        assert_eq!(Place::Corner.fit(&bounding_box(0.4, 0.6, 0.0, 0.3)), 0.0);
        assert_eq!(Place::Half(Side::Bottom).fit(&bounding_box(0.0, 1.0, 0.5, 1.0)), 1.0);
        assert_eq!(Place::Anywhere.fit(&bounding_box(0.9, 1.0, 0.9, 1.0)), 1.0);
    }

    #[test]
    fn fit_falls_with_distance() {
        let fit_at = |x: f64| TOP_LEFT.fit(&bounding_box(x, x + 0.2, 0.0, 0.2));
        let fits: Vec<f64> = (0..10).map(|step| fit_at(f64::from(step) * 0.05)).collect();
        assert!(fits.windows(2).all(|pair| pair[0] >= pair[1]), "{fits:?}");
        assert!(
            fits[0] == 1.0 && fits[9] == 0.0 && fits.iter().any(|&fit| fit > 0.0 && fit < 1.0),
            "{fits:?}"
        );
    }

    #[test]
    fn search_bounds_contain_the_centre_of_every_box_that_fits() {
        for place in [
            TOP_LEFT,
            MIDDLE,
            Place::Corner,
            Place::Half(Side::Right),
            Place::Quarter { lower: true, right: false },
            Place::Foreground,
            Place::Background,
            Place::Box(PlaceBox { x0: 0.2, y0: 0.1, x1: 0.3, y1: 0.9 }),
        ] {
            for step in 0..400 {
                let (x, y) = (f64::from(step % 20) / 20.0, f64::from(step / 20) / 20.0);
                let fits = place.fit(&bounding_box(x - 0.05, x + 0.05, y - 0.05, y + 0.05)) > 0.0;
                let ((left, right), (top, bottom)) = place.search_bounds();
                let within = x >= left && x <= right && y >= top && y <= bottom;
                assert!(within || !fits, "{place} at {x}, {y}");
            }
        }
    }

    #[test]
    fn what_reaches_far_down_is_in_the_foreground() {
        let (near, far) = (bounding_box(0.1, 0.9, 0.3, 1.0), bounding_box(0.4, 0.5, 0.3, 0.4));
        assert_eq!((Place::Foreground.fit(&near), Place::Background.fit(&near)), (1.0, 0.0));
        assert_eq!((Place::Foreground.fit(&far), Place::Background.fit(&far)), (0.0, 1.0));
    }

    #[test]
    fn a_box_of_the_query_holds_what_is_in_it() {
        let place = Place::Box(PlaceBox { x0: 0.5, y0: 0.0, x1: 0.6, y1: 0.1 });
        assert_eq!(place.fit(&bounding_box(0.5, 0.6, 0.0, 0.1)), 1.0);
        assert_eq!(place.fit(&bounding_box(0.65, 0.75, 0.0, 0.1)), 0.0, "beside it");
        let beyond = place.fit(&bounding_box(0.57, 0.67, 0.0, 0.1));
        assert!(beyond > 0.0 && beyond < 1.0, "{beyond}");
    }

    #[test]
    fn what_touches_is_near() {
        let left = bounding_box(0.0, 0.3, 0.4, 0.6);
        assert_eq!(Relation::Near.fit(&left, &bounding_box(0.3, 0.5, 0.4, 0.6)), 1.0);
        assert_eq!(Relation::Near.fit(&left, &bounding_box(0.425, 0.5, 0.4, 0.6)), 0.5);
        assert_eq!(Relation::Near.fit(&left, &bounding_box(0.6, 0.9, 0.4, 0.6)), 0.0);
    }

    #[test]
    fn relations_are_as_in_the_picture() {
        let (left, right) = (bounding_box(0.0, 0.3, 0.4, 0.6), bounding_box(0.6, 0.9, 0.4, 0.6));
        assert_eq!(Relation::LeftOf.fit(&left, &right), 1.0);
        assert_eq!(Relation::LeftOf.fit(&right, &left), 0.0);
        assert_eq!(Relation::RightOf.fit(&right, &left), 1.0);
        assert_eq!(Relation::Above.fit(&left, &right), 0.0);
        let low = bounding_box(0.0, 0.3, 0.8, 1.0);
        assert_eq!(Relation::Above.fit(&left, &low), 1.0);
        assert_eq!(Relation::Below.fit(&low, &left), 1.0);
        let lower_right = bounding_box(0.4, 0.7, 0.9, 1.0);
        let oblique = Relation::LeftOf.fit(&left, &lower_right);
        assert!(oblique > 0.0 && oblique < 1.0, "{oblique}");
        let (over, under) = (bounding_box(0.0, 0.1, 0.4, 0.6), bounding_box(0.0, 0.3, 0.6, 1.0));
        assert_eq!(
            Relation::LeftOf.fit(&over, &under),
            0.0,
            "what is above, and hardly further to the left, is above"
        );
        let (inner, outer) = (bounding_box(0.4, 0.5, 0.4, 0.5), bounding_box(0.2, 0.8, 0.2, 0.8));
        assert_eq!(
            (Relation::Inside.fit(&inner, &outer), Relation::Inside.fit(&outer, &inner)),
            (1.0, 0.0)
        );
        assert_eq!(Relation::Overlapping.fit(&inner, &outer), 1.0);
        assert_eq!(Relation::Overlapping.fit(&left, &right), 0.0);
        let point = bounding_box(0.5, 0.5, 0.5, 0.5);
        for relation in [Relation::LeftOf, Relation::Above, Relation::Inside, Relation::Overlapping]
        {
            assert_eq!(relation.fit(&point, &point), 0.0);
        }
    }
}
