SEXP savvy_annotate_photo__ffi(SEXP c_arg__photo, SEXP c_arg__names, SEXP c_arg__probabilities, SEXP c_arg__below);
SEXP savvy_decode_photo__ffi(SEXP c_arg__photo, SEXP c_arg__ignore_orientation);
SEXP savvy_evaluate_model__ffi(SEXP c_arg__model, SEXP c_arg__photos, SEXP c_arg__options, SEXP c_arg__progress);
SEXP savvy_find_photos__ffi(SEXP c_arg__folders);
SEXP savvy_index_photos__ffi(SEXP c_arg__path, SEXP c_arg__folders, SEXP c_arg__model, SEXP c_arg__options, SEXP c_arg__progress);
SEXP savvy_open_library__ffi(SEXP c_arg__path, SEXP c_arg__create);
SEXP savvy_resize_photo__ffi(SEXP c_arg__photo, SEXP c_arg__height, SEXP c_arg__width);
SEXP savvy_save_photo__ffi(SEXP c_arg__photo, SEXP c_arg__path);
SEXP savvy_search_photos__ffi(SEXP c_arg__path, SEXP c_arg__query, SEXP c_arg__options);
SEXP savvy_train_model__ffi(SEXP c_arg__model, SEXP c_arg__options, SEXP c_arg__progress);
SEXP savvy_write_random_checkpoint__ffi(SEXP c_arg__net, SEXP c_arg__path);

// methods and associated functions for Model
SEXP savvy_Model_blur__ffi(SEXP self__, SEXP c_arg__photo, SEXP c_arg__options, SEXP c_arg__progress);
SEXP savvy_Model_classify__ffi(SEXP self__, SEXP c_arg__photos, SEXP c_arg__options, SEXP c_arg__progress);
SEXP savvy_Model_embed__ffi(SEXP self__, SEXP c_arg__photos, SEXP c_arg__options, SEXP c_arg__progress);
SEXP savvy_Model_export__ffi(SEXP self__, SEXP c_arg__path, SEXP c_arg__format, SEXP c_arg__replace_labels);
SEXP savvy_Model_faces__ffi(SEXP self__, SEXP c_arg__photos, SEXP c_arg__options, SEXP c_arg__progress);
SEXP savvy_Model_facts__ffi(SEXP self__);
SEXP savvy_Model_input__ffi(SEXP self__, SEXP c_arg__photo, SEXP c_arg__options);
SEXP savvy_Model_input_image__ffi(SEXP self__, SEXP c_arg__photo, SEXP c_arg__options);
SEXP savvy_Model_labels__ffi(SEXP self__);
SEXP savvy_Model_map__ffi(SEXP self__, SEXP c_arg__photo, SEXP c_arg__options, SEXP c_arg__progress);
SEXP savvy_Model_new__ffi(SEXP c_arg__options, SEXP c_arg__name);
SEXP savvy_Model_nodes__ffi(SEXP self__);
SEXP savvy_Model_run__ffi(SEXP self__, SEXP c_arg__feeds, SEXP c_arg__fetches);
SEXP savvy_Model_write_graph__ffi(SEXP self__, SEXP c_arg__logdir);

// methods and associated functions for PhotoMap
SEXP savvy_PhotoMap_drawing__ffi(SEXP self__, SEXP c_arg__over_photo);
SEXP savvy_PhotoMap_facts__ffi(SEXP self__);
SEXP savvy_PhotoMap_heat__ffi(SEXP self__, SEXP c_arg__class);
SEXP savvy_PhotoMap_probabilities__ffi(SEXP self__);
