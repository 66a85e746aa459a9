// The loaded models, and their figures.
import { at, count, json, make } from '/pages/common.js';

function row({ name, version, state, reason }, metadata, stats, hasReport) {
  const shape = (tensor) => (tensor ? `${tensor.name} ${tensor.datatype} [${tensor.shape}]` : '');
  const success = stats?.inference_stats.success;
  const mean = success?.count ? `${(success.ns / success.count / 1e6).toFixed(1)} ms` : '';
  const cells = [
    [name], [version ?? ''], [reason ? `${state}: ${reason}` : state ?? ''],
    [shape(metadata?.inputs[0])], [shape(metadata?.outputs[0])],
    [success?.count ?? '', 'number'], [stats?.inference_stats.fail.count ?? '', 'number'], [mean, 'number'],
  ];
  const element = document.createElement('tr');
  element.append(...cells.map(([text, kind], index) => {
    const cell = document.createElement(index === 0 ? 'th' : 'td');
    if (index === 0) cell.scope = 'row';
    if (kind) cell.className = kind;
    cell.textContent = text;
    return cell;
  }));
  const training = make('td');
  if (hasReport) training.append(make('a', { href: `/models/${encodeURIComponent(name)}/report`, textContent: 'Report' }));
  element.append(training);
  return element;
}

async function show() {
  const models = await json('/v2/repository/index', {}, { method: 'POST' });
  const { model_stats: all } = await json('/v2/models/stats');
  const { reports } = await json('/models/reports');
  const rows = await Promise.all(models.map(async (model) => {
    const path = `/v2/models/${encodeURIComponent(model.name)}/versions/${model.version}`;
    const metadata = model.state === 'READY' ? await json(path) : null;
    const stats = all.find((one) => one.name === model.name && one.version === model.version);
    return row(model, metadata, stats, reports.includes(model.name));
  }));
  at('models').replaceChildren(...rows);
  at('status').textContent = `${count(models.length, 'version')} served.`;
}

show().catch((error) => { at('status').textContent = error.message; });
