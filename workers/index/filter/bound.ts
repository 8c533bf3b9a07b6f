/** A field of a filter, found in the schema: its kind, and how a row's value is read. */
import type { StoredRow } from '../entity.ts';
import type { StoredJson } from '../json.ts';
import type { CollectionSpec, FieldSpec } from '../schema.ts';
import type { FieldNode } from './ast.ts';
import { filterError } from './filter-error.ts';

/** `json`: a JSON field or what lies in one, or a key of the dynamic field; its values have any type. */
export type Kind = 'int' | 'float' | 'string' | 'bool' | 'json' | 'array' | 'vector';

export interface Bound {
  readonly kind: Kind;
  /** As the server calls it in errors. */
  readonly type: string;
  /** Whether it names a whole declared JSON field, which nothing compares with. */
  readonly whole: boolean;
  /** Array: of its elements. */
  readonly element?: { readonly kind: Kind; readonly type: string };
  /** The value; null where it is null, undefined where there is none. */
  readonly read: (row: StoredRow) => StoredJson | undefined;
}

/** Where the keys of the dynamic field lie, by name. */
const META = '$meta';

/** Throws 1100 for a name or a path that the schema has not. */
export function bindField(text: string, node: FieldNode, spec: CollectionSpec): Bound {
  const declared = spec.fields.find((each) => each.name === node.name);
  if (declared !== undefined) return bindDeclared(text, node, declared);
  if (!spec.dynamic) throw filterError(text, node.at, `field ${node.name} not exist`);
  const path = node.name === META ? node.path : [node.name, ...node.path];
  if (path.length === 0) throw filterError(text, node.at, `${META} needs a key: ${META}["..."]`);
  return { kind: 'json', type: 'JSON', whole: false, read: (row) => inside(row.dynamic, path) };
}

function bindDeclared(text: string, { name, path, at }: FieldNode, field: FieldSpec): Bound {
  const { type, element } = field;
  if (element !== undefined) return bindArray(text, { name, path, at }, element.type);
  if (path.length > 0 && type !== 'JSON') {
    throw filterError(text, at, `${name} is no JSON field and has no members: ${type}`);
  }
  const kind = kindOf(type);
  const whole = kind === 'json' && path.length === 0;
  if (field.primary) return { kind, type, whole, read: (row) => row.key };
  if (path.length === 0) return { kind, type, whole, read: (row) => row.values[name] };
  return { kind, type, whole, read: (row) => inside(row.values[name], path) };
}

/** The whole list, or one of its elements. */
function bindArray(
  text: string,
  { name, path, at }: Pick<FieldNode, 'name' | 'path' | 'at'>,
  type: FieldSpec['type'],
): Bound {
  const [position, ...more] = path;
  const kind = kindOf(type);
  if (position === undefined) {
    const element = { kind, type };
    return { kind: 'array', type: 'Array', whole: false, element, read: (row) => row.values[name] };
  }
  if (typeof position !== 'number' || more.length > 0) {
    throw filterError(
      text,
      at,
      `${name} is an Array: its elements are ${name}[0], ${name}[1], ...`,
    );
  }
  return { kind, type, whole: false, read: (row) => elementOf(row.values[name], position) };
}

/** Null where the list is null, undefined beyond its end. */
function elementOf(list: StoredJson | undefined, position: number): StoredJson | undefined {
  if (Array.isArray(list)) return list[position];
  return list === null ? null : undefined;
}

function kindOf(type: FieldSpec['type']): Kind {
  switch (type) {
    case 'Bool':
      return 'bool';
    case 'VarChar':
      return 'string';
    case 'Float':
    case 'Double':
      return 'float';
    case 'JSON':
      return 'json';
    case 'Array':
      return 'array';
    case 'FloatVector':
      return 'vector';
    default:
      return 'int';
  }
}

/** A member of JSON: keys lead into objects, positions into lists. */
function inside(
  json: StoredJson | undefined,
  path: readonly (string | number)[],
): StoredJson | undefined {
  let value = json;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    if (Array.isArray(value)) value = typeof key === 'number' ? value[key] : undefined;
    else if (typeof key === 'number' || !Object.hasOwn(value, key)) return undefined;
    else value = (value as { readonly [key: string]: StoredJson })[key];
  }
  return value;
}
