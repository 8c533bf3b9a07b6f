/** TextEmbedding functions of a schema. */
import { invalid, isObject, optionalText, refuseUnknown, requiredText, textList } from './body.ts';
import { parseJson } from './json.ts';
import type { FieldSpec, FunctionSpec } from './schema.ts';

export function parseFunctions(
  raw: unknown,
  fields: readonly FieldSpec[],
): readonly FunctionSpec[] {
  if (raw === undefined || raw === null) return [];
  if (!Array.isArray(raw)) throw invalid('"functions" must be a list');
  const functions = raw.map((each: unknown) => parseFunction(each, fields));
  for (const key of ['name', 'output'] as const) {
    const seen = new Set(functions.map((each) => each[key]));
    if (seen.size !== functions.length) throw invalid(`two functions have the same ${key}`);
  }
  return functions;
}

function parseFunction(raw: unknown, fields: readonly FieldSpec[]): FunctionSpec {
  if (!isObject(raw)) throw invalid('a function of the schema must be an object');
  const name = requiredText(raw, 'name');
  const where = `function ${name}`;
  refuseUnknown(
    raw,
    ['name', 'type', 'description', 'inputFieldNames', 'outputFieldNames', 'params'],
    where,
  );
  if (raw.type !== 'TextEmbedding') {
    throw invalid(`${where} has type ${String(raw.type)}; supported: TextEmbedding`);
  }
  const params = raw.params ?? {};
  if (!isObject(params)) throw invalid(`"params" of ${where} must be an object`);
  return {
    name,
    description: optionalText(raw, 'description'),
    input: onlyField(textList(raw, 'inputFieldNames'), 'VarChar', fields, where),
    output: onlyField(textList(raw, 'outputFieldNames'), 'FloatVector', fields, where),
    params: parseJson(params, `params of ${where}`) as FunctionSpec['params'],
  };
}

function onlyField(
  names: readonly string[] | undefined,
  type: 'VarChar' | 'FloatVector',
  fields: readonly FieldSpec[],
  where: string,
): string {
  const [name, ...more] = names ?? [];
  const field = fields.find((each) => each.name === name);
  if (field?.nullable === true) {
    throw invalid(`${where} cannot take field ${name}, which may be null`);
  }
  if (name === undefined || more.length > 0 || field?.type !== type) {
    throw invalid(
      `${where} needs exactly one field of type ${type}, got [${(names ?? []).join(', ')}]`,
    );
  }
  return name;
}
