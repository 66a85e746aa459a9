//! Lorgnette's fuzz targets.
