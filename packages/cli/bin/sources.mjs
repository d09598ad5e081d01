/** A resolve hook: packages of this workspace are their sources, not their builds. */
export function resolve(specifier, context, next) {
  return next(specifier, { ...context, conditions: [...context.conditions, '@niceflow/source'] })
}
