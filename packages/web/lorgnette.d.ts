/** Bytes of a photo or of a model. */
export type FileLike = Blob | ArrayBuffer | ArrayBufferView;

/** Finished and all parts of some work: tiles of a photo, or bytes of a file. `total` is 0 if it is unknown. */
export interface Progress {
  done: number;
  total: number;
}

/** A request that failed: a bad photo, a bad model, an unknown class. The message names the file and the problem. */
export class LorgnetteError extends Error {}

/** The engine stopped in the middle of a request, as where memory ran out. It has started again, without open models. */
export class EngineStopped extends Error {}

/** The engine, in a worker. */
export class Lorgnette {
  /**
   * Starts a worker and compiles the module in it.
   * @param options.wasm the module, or its address; by default the one for this browser beside this file
   * @param options.worker the address of `worker.js`; by default beside this file
   * @param options.threads number of threads; by default as many as cores, at most 8, where the page is
   *   cross-origin isolated, and 1 elsewhere
   */
  static start(
    options?: { wasm?: string | URL | WebAssembly.Module; worker?: string | URL; threads?: number },
  ): Promise<Lorgnette>;
  /** Number of threads. */
  readonly threads: number;
  /** The address of the module, if it was fetched. */
  readonly module: string | null;
  /** Opens a frozen TensorFlow graph (`.pb`), an ONNX model or a TensorFlow Lite file. */
  openModel(file: FileLike, options?: OpenOptions): Promise<Model>;
  /** Opens a trained model, the files of its folder, on the model that it was trained on. */
  openTrained(files: ArrayLike<File> & Iterable<File>, base: Model, options?: { name?: string }): Promise<Model>;
  /** Opens CenterFace, which `faces` and blurring of faces need. */
  openFaces(file: FileLike, options?: { name?: string }): Promise<void>;
  /** Finds the faces in a photo, the most probable first. */
  faces(photo: FileLike, options?: PhotoOptions & { minProbability?: number }): Promise<FacesAnswer>;
  /** Ends the worker. */
  close(): void;
}

export interface OpenOptions {
  /** The model's name; by default the file's. */
  name?: string;
  /** Rows and columns of the input; by default the model's own. */
  size?: [number, number];
  /** `vgg`, `inception`, …; by default the model's own. */
  preprocess?: string;
  /** The input node. */
  input?: string;
  /** The output node. */
  output?: string;
}

export interface PhotoOptions {
  /** The photo's name, for answers and messages; by default the file's. */
  name?: string;
  onProgress?: (progress: Progress) => void;
}

export interface MapOptions {
  /** `valid` leaves out cells whose window crosses the photo's border. Default: `same`. */
  padding?: 'same' | 'valid';
  /** Maximum pixels from cell to cell: 32, 16 or 8. Default: the network's own. */
  outputStride?: 32 | 16 | 8;
  /** Scale factors of the photo, averaged. Default: a pyramid, each scale where it shows best what is there. */
  scales?: number[];
  /** Maximum side of a tile in pixels. */
  tile?: number;
  /** Probability below which a cell is of no class. Default: 0.3 for a pyramid, 0 with `scales`. */
  unknownBelow?: number;
}

export interface BlurOptions extends PhotoOptions {
  /** Names of classes, also general ones such as `dog`, or `face`. */
  classes?: string[];
  /** True to blur faces too. */
  faces?: boolean;
  map?: MapOptions;
  /** Default: `mosaic`. */
  how?: 'mosaic' | 'gaussian' | 'fill';
  /** The colour of `fill`: red, green, blue, 0 to 255. */
  colour?: [number, number, number];
  minProbability?: number;
  /** Pixels beyond what was found. */
  margin?: number;
  /** Pixels over which it fades beyond that. */
  feather?: number;
  /** Side of a mosaic's squares in pixels. */
  block?: number;
}

/** An open model. */
export class Model {
  readonly id: number;
  readonly name: string;
  /** Rows and columns of its input. */
  readonly height: number;
  readonly width: number;
  readonly preprocessing: string;
  /** Number of classes; 0 if it does not classify. */
  readonly classCount: number;
  /** Probability below which the best class counts as unknown. */
  readonly rejectionThreshold: number | null;
  /** Warnings from opening. */
  readonly notes: string[];
  /** The names of its classes, in the order of its outputs. */
  classes(): Promise<string[]>;
  /** Names the most probable classes of a photo. */
  classify(photo: FileLike, options?: { top?: number; name?: string }): Promise<ClassifyAnswer>;
  /** Computes the features of a photo. */
  embed(photo: FileLike, options?: { endPoint?: string; name?: string }): Promise<EmbedAnswer>;
  /**
   * Runs the network on a tensor, by default one preprocessed photo in [1, height, width, 3], and gives another, by
   * default the probabilities. Nodes have TensorFlow's names.
   */
  run(
    values: Float32Array,
    options?: { shape?: number[]; feed?: string; fetch?: string },
  ): Promise<{ shape: number[]; values: Float32Array }>;
  /** Finds what is where in a photo; with `overlay`, gives the photo under the map's colours too, a PNG. */
  map(photo: FileLike, options?: MapRequest & { overlay?: false }): Promise<MapAnswer>;
  map(photo: FileLike, options: MapRequest & { overlay: true }): Promise<MapAnswer & { overlay: Blob }>;
  /** Blurs classes or faces in a photo: a JPEG, or a PNG of a PNG. Faces need `Lorgnette.openFaces`. */
  blur(photo: FileLike, options: BlurOptions): Promise<BlurAnswer & { picture: Blob }>;
  /** Frees it. */
  close(): Promise<void>;
}

export interface MapRequest extends MapOptions, PhotoOptions {
  /** Minimum cells of a region. */
  minCells?: number;
  /** Minimum mean probability of a region. */
  minProbability?: number;
}

/** The answers are what `lorgnette --format json` prints. Boxes are left, top, right, bottom in pixels. */
export interface ClassifyAnswer {
  photo: string;
  width: number;
  height: number;
  model: string;
  /** True if the photo is of none of the classes; only of models with a rejection threshold. */
  unknown?: boolean;
  predictions: Prediction[];
}

export interface Prediction {
  index: number;
  synset: string | null;
  name: string;
  probability: number;
  logit: number;
}

export interface EmbedAnswer {
  photo: string;
  width: number;
  height: number;
  model: string;
  end_point: string;
  embedding: number[];
}

export interface MapAnswer {
  photo: string;
  width: number;
  height: number;
  model: string;
  rows: number;
  columns: number;
  /** Pixels from one cell to the next. */
  stride: number;
  /** Centre of the first cell: row, column. */
  first: [number, number];
  /** Size of a cell's receptive field: rows, columns. */
  field: [number, number];
  /** The best class of each cell, row by row; `null` where none is likely. */
  cells: (number | null)[][];
  /** The classes by share; `index` is `null` for the cells that are of no class. */
  legend: { index: number | null; synset: string | null; name: string; cells: number; share: number; mean_probability: number }[];
  regions: (Area & { place: string; cells: number })[];
  /** The scales at which the photo was looked at. */
  scales: number[];
  /** Probability of the best class below which a cell is of no class. */
  unknown_below: number;
}

export interface Area {
  index: number | null;
  synset: string | null;
  name: string;
  box: [number, number, number, number];
  share: number;
  probability: number;
  peak_probability: number;
}

export interface BlurAnswer {
  photo: string;
  width: number;
  height: number;
  model: string;
  out: null;
  /** Share of the photo's pixels that change. */
  share: number;
  blurred: Area[];
  scales: number[];
  face_scales: number[];
  warnings: string[];
}

export interface FacesAnswer {
  photo: string;
  width: number;
  height: number;
  model: string;
  scales: number[];
  faces: {
    box: [number, number, number, number];
    probability: number;
    /** Left eye, right eye, nose, left and right corner of the mouth: x and y. */
    landmarks: [number, number][];
    scale: number;
  }[];
}
