// Sorts what was dropped, pasted or chosen: photos, models, and the folders of trained models.

const CARD = 'model.json';
const OF_MODEL = /\.(json|npy|txt|csv)$/;
const MODEL = /\.(pb|onnx|tflite)$/i;
const PHOTO = /\.(jpe?g|jpe|jfif|png|gif|bmp|dib|tiff?|webp|hei[cf]|avif|jxl)$/i;

/** Returns the files of a drop, those in folders too. */
export async function filesOf(transfer) {
  // Entries have to be asked for before anything is waited for.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return [...transfer.files];
  return (await Promise.all(entries.map(filesIn))).flat();
}

async function filesIn(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [Object.assign(file, { path: entry.fullPath.slice(1) })];
  }
  const reader = entry.createReader();
  const entries = [];
  // A reader gives some entries at a time.
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    entries.push(...some);
  }
  return (await Promise.all(entries.map(filesIn))).flat();
}

/** Sorts files: those of the trained model among them, another model, and the photo. */
export function sorted(files) {
  const card = files.find((file) => file.name === CARD);
  // Pictures in the folder of a trained model are of its report.
  const others = card ? files.filter((file) => !isWithin(file, folderOf(card))) : files;
  return {
    trained: card ? files.filter((file) => folderOf(file) === folderOf(card) && OF_MODEL.test(file.name)) : [],
    trainedName: (card && folderOf(card).split('/').at(-1)) || 'the trained model',
    model: card ? undefined : files.find((file) => MODEL.test(file.name)),
    photo: others.find(isPhoto),
  };
}

function isPhoto(file) {
  return file.type.startsWith('image/') || PHOTO.test(file.name);
}

const pathOf = (file) => file.path ?? (file.webkitRelativePath || file.name);
const folderOf = (file) => pathOf(file).split('/').slice(0, -1).join('/');
const isWithin = (file, folder) => folder !== '' && pathOf(file).startsWith(`${folder}/`);
