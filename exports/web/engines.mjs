// The engines, the same in Node and in a page. Each opens an artifact and returns a function from tensors to what was
// computed and the seconds that took: from handing the tensors over until the outputs are back as arrays.

import { decode, encode } from "./frames.mjs";

export const ENGINES = {
  "onnxruntime-web": {
    packages: ["onnxruntime-web"],
    scripts: ["onnxruntime-web/dist/ort.wasm.min.js"],
    open: openOnnx,
  },
  tfjs: {
    packages: ["@tensorflow/tfjs-core", "@tensorflow/tfjs-converter", "@tensorflow/tfjs-backend-wasm"],
    scripts: [
      "@tensorflow/tfjs-core/dist/tf-core.min.js",
      "@tensorflow/tfjs-converter/dist/tf-converter.min.js",
      "@tensorflow/tfjs-backend-wasm/dist/tf-backend-wasm.min.js",
    ],
    open: openTfjs,
  },
};

// Opens an artifact and returns a function from a frame with inputs to a frame with outputs. `read` reads a file of the
// artifact, `entry` is the first and `beside` names others; `files` is the place of the packages' files, where an engine
// does not find its own.
export async function load({ engine, ...opened }) {
  const run = await ENGINES[engine].open(opened);
  return async (frame) => {
    const { seconds, outputs } = await run(decode(frame).tensors);
    return encode({ seconds }, outputs);
  };
}

// https://onnxruntime.ai/docs/api/js/
async function openOnnx({ libraries: [ort], read, entry, beside, threads, files }) {
  ort.env.wasm.numThreads = threads;
  if (files !== undefined) ort.env.wasm.wasmPaths = `${files}onnxruntime-web/dist/`;
  const externalData = await Promise.all(beside.map(async (path) => ({ path, data: await read(path) })));
  const session = await ort.InferenceSession.create(await read(entry), { executionProviders: ["wasm"], externalData });
  return async (tensors) => {
    const feeds = tensors.map(({ name, dtype, shape, data }) => [name, new ort.Tensor(dtype, data, shape)]);
    const begin = performance.now();
    const results = await session.run(Object.fromEntries(feeds));
    const seconds = (performance.now() - begin) / 1000;
    const outputs = Object.entries(results).map(([name, { type, dims, data }]) => ({
      name,
      dtype: type,
      shape: dims,
      data,
    }));
    return { seconds, outputs };
  };
}

// https://js.tensorflow.org/api/latest/#loadGraphModel
async function openTfjs({ libraries: [tf, converter, wasm], read, entry, outputs, threads, files }) {
  if (files !== undefined) wasm.setWasmPaths(`${files}@tensorflow/tfjs-backend-wasm/dist/`);
  wasm.setThreadsCount(threads); // in a page; in Node the backend has one thread
  if (!(await tf.setBackend("wasm"))) throw new Error("the wasm backend of TensorFlow.js did not start");
  const described = JSON.parse(new TextDecoder().decode(await read(entry)));
  const load = async () => tf.io.getModelArtifactsForJSON(described, (manifest) => readWeights(tf, read, manifest));
  const model = await converter.loadGraphModel({ load });
  // Where the signature stands has changed between versions; without one, names are those of the nodes.
  const signature = [described.signature, described.userDefinedMetadata?.signature].find((each) => each?.outputs) ?? {};
  const node = (side, name) => signature[side]?.[name]?.name ?? name;
  const nodes = outputs.map((name) => node("outputs", name));
  let loops = false; // a graph with loops is executed otherwise, and says so when it is asked
  const execute = async (feeds) => {
    if (!loops) {
      try {
        return model.execute(feeds, nodes);
      } catch (error) {
        if (!String(error).includes("executeAsync")) throw error;
        loops = true;
      }
    }
    return model.executeAsync(feeds, nodes);
  };
  return async (tensors) => {
    const feeds = tensors.map(({ name, dtype, shape, data }) => [node("inputs", name), tf.tensor(data, shape, dtype)]);
    const begin = performance.now();
    const results = [await execute(Object.fromEntries(feeds))].flat(); // of one output no list comes
    const arrays = await Promise.all(results.map((result) => result.data()));
    const seconds = (performance.now() - begin) / 1000;
    const computed = outputs.map((name, index) => {
      const { dtype, shape } = results[index];
      if (dtype === "string") throw new TypeError(`fweval carries no text from JavaScript, and ${name} is text`);
      return { name, dtype, shape, data: arrays[index] };
    });
    tf.dispose([results, feeds.map(([, tensor]) => tensor)]);
    return { seconds, outputs: computed };
  };
}

async function readWeights(tf, read, manifest) {
  const specs = manifest.flatMap((group) => group.weights);
  const shards = await Promise.all(manifest.flatMap((group) => group.paths).map(read));
  const whole = tf.io.concatenateArrayBuffers(shards.map((shard) => shard.buffer));
  return [specs, whole];
}
