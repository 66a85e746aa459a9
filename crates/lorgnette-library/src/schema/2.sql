-- How many photos a model has looked at is asked whenever its features are.
CREATE INDEX analysis_by_model ON analysis (model);
-- Classes of several models are the same if their synsets are.
CREATE INDEX class_by_label ON class (coalesce(synset, name));
