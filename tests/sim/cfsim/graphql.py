"""The GraphQL analytics API: one request in, one answer out, both judged against the published schema.

execute() is called when the server has authenticated and counted the request. The parser is our
own (gqlparse.py); sdl.py judges with python3-graphql-core where that and the schema are at hand.
Order of rows without orderBy is not documented and not by time here either.
"""
import functools
import json
import math

from . import datasets, gqlparse, sdl
from .datasets import TABLE, Filter, Wrong

HEADERS = {"Content-Type": "application/json"}
DIMENSION_TYPE = "Account%sDimensions"
ROOT = "Query"


# ---- answers ----

def error(message, now=None, path=None, code=None):
    """One member of `errors`, as the service writes it."""
    extensions = {"timestamp": datasets.text_of(now)} if now else {}
    if code:
        extensions["code"] = code
    return {"message": message, "path": path, "extensions": extensions}


def refusal(message, now=None, code=None):
    """The whole body of an answer that is nothing but an error."""
    return {"data": None, "errors": [error(message, now, None, code)]}


def refused(problem, now=None):
    """The answer to a request the world does not admit (tokens.Refused): (status, body, headers)."""
    message = {401: "Unauthorized", 403: "not authorized for that account"}.get(problem.status, problem.message)
    code = "authz" if problem.status in (401, 403) else None
    return problem.status, refusal(message, now, code), dict(HEADERS, **problem.headers)


# ---- making a good answer bad, for faults.py ----

def empty_rows(answer):
    """Every dataset answers without rows and without an error, as the service sometimes does."""
    return _each_dataset(answer, lambda rows: [])


def errors_with_200(answer, message="Internal server error"):
    """No data, an error, and (by the caller) status 200."""
    return refusal(message)


def partial_data(answer, message="unable to execute query, please try again later"):
    """The first half of the rows of each dataset, and an error beside them."""
    made = _each_dataset(answer, lambda rows: rows[:len(rows) // 2])
    made["errors"] = [error(message, None, ["viewer", "accounts", 0])]
    return made


def no_accounts(answer):
    """An empty list of accounts, without an error."""
    return dict(answer, data={"viewer": {"accounts": []}})


def _each_dataset(answer, change):
    """A copy of an answer in which every list of an account's rows is changed."""
    made = json.loads(json.dumps(answer))
    for viewer in (made.get("data") or {}).values():
        for accounts in viewer.values() if isinstance(viewer, dict) else ():
            for account in accounts if isinstance(accounts, list) else ():
                account.update({key: change(rows) for key, rows in account.items() if isinstance(rows, list)})
    return made


# ---- the request ----

def execute(world, clock, body, headers):
    """Answers one POST /graphql: (status, body as a dict, headers)."""
    now = clock.now()
    schema = _schema(world)
    try:
        operation = _operation(world, schema, body)
        with world.lock:
            data = Run(world, schema, now, headers).root(operation.fields)
    except Wrong as problem:
        code = "authz" if problem.status == 403 else None
        return problem.status, refusal(problem.message, now, code), dict(HEADERS)
    if schema:
        problem = schema.answer_problem(data, operation.fields, ROOT)
        if problem:
            world.violate("answer", "graphql", problem)
    return 200, {"data": data, "errors": None}, dict(HEADERS)


def _schema(world):
    """The schema, whose dimensions beyond the modelled ones read as 0 or empty; None if not at hand."""
    schema = sdl.load()
    if schema is None and not any(event["kind"] == "unvalidated" for event in world.events):
        world.log("unvalidated", why=sdl.why_not)
    if schema:
        _fill(schema)
    return schema


@functools.lru_cache(maxsize=None)
def _fill(schema):
    """Dimensions that are in the schema and not modelled."""
    for name, dataset in TABLE.items():
        for field, kind in schema.fields(DIMENSION_TYPE % (name[0].upper() + name[1:])).items():
            dataset.zeros.setdefault(field, 0 if "int" in kind else "")


def _operation(world, schema, body):
    """The operation of a request with its variables put in; raises Wrong, and records what breaks the schema."""
    try:
        request = json.loads(body.decode("utf-8") if isinstance(body, bytes) else body)
        query, given = request["query"], request.get("variables") or {}
        operations = gqlparse.parse(query)
    except (ValueError, KeyError, TypeError, AttributeError, gqlparse.SyntaxProblem) as problem:
        raise _breach(world, f"error parsing args: {problem}")
    named = request.get("operationName")
    operation = next((o for o in operations if named in (None, o.name)), None)
    if operation is None or (named is None and len(operations) > 1):
        raise _breach(world, "error parsing args: which operation?")
    if operation.kind != "query":
        raise _breach(world, f"{operation.kind.capitalize()}s are not supported")
    for text in schema.query_problems(query) if schema else ():
        raise _breach(world, _as_service_says(text))
    values = {name: given.get(name, default) for name, (_, default) in operation.variables.items()}
    _bind(operation.fields, values)
    if schema:
        _check_arguments(world, schema, operation.fields, ROOT)
    return operation


def _breach(world, message):
    world.violate("request", "graphql", message)
    return Wrong(400, message)


def _as_service_says(text):
    """A validator's message with the beginning the service documents."""
    if text.startswith("Cannot query field"):
        return "unknown field" + text[len("Cannot query field"):]
    return "error parsing args: " + text


def _bind(fields, values):
    for field in fields:
        field.args = gqlparse.bind(field.args, values)
        _bind(field.children or [], values)


def _check_arguments(world, schema, fields, type_name):
    """The values of the arguments, which the package does not judge for the schema's own scalars."""
    for field in fields:
        problem = schema.arguments_problem(type_name, field, field.name) if field.args else None
        if problem:
            raise _breach(world, "error parsing args: " + problem)
        if field.children:
            inner = schema.fields(type_name)[field.name].strip("[]!")
            _check_arguments(world, schema, field.children, inner)


# ---- execution ----

def _object(fields, resolve):
    """{key: value} of the selected fields; resolve maps a name to a function of the Field."""
    made = {}
    for field in fields:
        if field.name not in resolve:
            raise Wrong(400, f'unknown field "{field.name}"')
        made[field.key] = resolve[field.name](field)
    return made


class Run:
    """One execution at one moment."""

    def __init__(self, world, schema, now, headers):
        self.world, self.schema, self.now, self.headers = world, schema, now, headers
        self.nodes = 0

    def root(self, fields):
        data = _object(fields, {"viewer": self.viewer, "cost": lambda field: None})
        for field in fields:
            if field.name == "cost":  # known when all the others are done
                data[field.key] = max(1, self.nodes)
        return data

    def viewer(self, field):
        return _object(field.children or [], {"accounts": self.accounts, "budget": self.budget})

    def budget(self, field):
        limits, token = self.world.limits, self.world._token(self.headers)
        used = limits.used("graphql", token.id) if token else 0
        return max(0, limits.quota["graphql"] - used)

    def accounts(self, field):
        tag = (field.args.get("filter") or {}).get("accountTag")
        if tag is None:
            raise Wrong(400, "error parsing args: an accountTag filter is required")
        if tag != self.world.account:
            raise Wrong(403, "not authorized for that account")
        resolve = {name: self.dataset for name in TABLE}
        resolve.update(accountTag=lambda f: tag, settings=self.settings)
        return [_object(field.children or [], resolve)]

    def settings(self, field):
        return _object(field.children or [], {name: self.limits for name in TABLE})

    def limits(self, field):
        dataset = TABLE[field.name]
        names = self.schema.fields(DIMENSION_TYPE % (field.name[0].upper() + field.name[1:])) if self.schema \
            else dataset.known()
        return _object(field.children or [], {
            "enabled": lambda f: True, "maxPageSize": lambda f: self.page(dataset),
            "maxDuration": lambda f: dataset.widest, "notOlderThan": lambda f: dataset.oldest,
            "maxNumberOfFields": lambda f: dataset.most_fields, "availableFields": lambda f: sorted(names)})

    def page(self, dataset):
        return (self.world.limits.page if dataset.shrinks else None) or dataset.page

    def dataset(self, field):
        self.nodes += 1
        dataset, limit = TABLE[field.name], field.args.get("limit")
        if not isinstance(limit, int) or not 0 < limit <= self.page(dataset):
            raise Wrong(400, f"limit must be positive number and not greater than {self.page(dataset)}")
        if len(_leaves(field)) > dataset.most_fields:
            raise Wrong(400, f"number of fields can't be more than {dataset.most_fields}")
        chosen = Filter(field.args.get("filter") or {}, dataset)
        self.check_time(dataset, chosen)
        order = field.args.get("orderBy") or []
        order = order if isinstance(order, list) else [order]
        table = FlatTable if getattr(dataset, "flat", False) else GroupTable
        return table(dataset, field.children or [], order).rows(self.world, self.now, chosen)[:limit]

    def check_time(self, dataset, chosen):
        if not dataset.timed:
            return
        if chosen.begin < self.now - dataset.oldest and chosen.begin > -math.inf:
            raise Wrong(400, f"cannot request data older than {dataset.oldest}s")
        width = min(chosen.end, self.now) - chosen.begin
        if width > dataset.widest:
            raise Wrong(400, f"query time range is too large. Time range can't be wider than {dataset.widest}s")


def _leaves(field):
    """Names of the fields without children below a field."""
    if field.children is None:
        return [field.name]
    return [name for child in field.children for name in _leaves(child)]


def _ordered(rows, keys):
    """Rows sorted by (function, descending) keys, the first the most significant."""
    for get, descending in reversed(keys):
        rows.sort(key=get, reverse=descending)
    return rows


def _split_order(text):
    name, _, way = str(text).rpartition("_")
    return name, way == "DESC"


class GroupTable:
    """Rows of a dataset that groups by the dimensions asked for."""

    def __init__(self, dataset, fields, order):
        self.dataset, self.fields = dataset, fields
        self.dims = sorted({name for field in fields if field.name == "dimensions" for name in _leaves(field)})
        self.getters = [dataset.getter(name) for name in self.dims]
        self.columns = [self.column(field) for field in fields]
        self.order = [self.order_key(text) for text in order]

    def column(self, field):
        """(key, function of a group) of one selected field; a group is (dimension values, weight, value)."""
        if field.name == "dimensions":
            places = [(child.key, self.dims.index(child.name)) for child in field.children or []]
            return field.key, lambda group: {key: group[0][place] for key, place in places}
        if field.children:
            metrics = [(child.key, self.dataset.metric(field.name, child.name)) for child in field.children]
            return field.key, lambda group: {key: metric(group[1], group[2]) for key, metric in metrics}
        metric = self.dataset.metric("", field.name)
        return field.key, lambda group: metric(group[1], group[2])

    def order_key(self, text):
        name, descending = _split_order(text)
        if name in self.dims:
            place = self.dims.index(name)
            return (lambda group: group[0][place]), descending
        group_name, _, metric_name = name.rpartition("_")
        if group_name not in ("sum", "avg", "max", "") or (not group_name and name != "count"):
            raise Wrong(400, f"error parsing args: orderBy {text} is not among the dimensions asked for")
        metric = self.dataset.metric(group_name, metric_name)
        return (lambda group: metric(group[1], group[2])), descending

    def rows(self, world, now, chosen):
        used = set(self.dims) | chosen.names
        sums, getters = {}, self.getters
        for thing, at, drawn, weight, value in self.dataset.records(world, now, chosen, used):
            key = tuple([get(thing, at, drawn) for get in getters])
            known = sums.get(key)
            if known is None:
                sums[key] = [weight, value]
            else:
                known[0] += weight
                known[1] += value
        groups = _ordered([(key, w, v) for key, (w, v) in sums.items()], self.order)
        return [{key: make(group) for key, make in self.columns} for group in groups]


class FlatTable:
    """Rows of a dataset whose fields stand on the row itself."""

    def __init__(self, dataset, fields, order):
        self.fields = fields
        for name in [field.name for field in fields] + [_split_order(text)[0] for text in order]:
            dataset.getter(name)
        self.dataset = dataset
        self.order = [((lambda row, name=name: row[name]), down) for name, down in map(_split_order, order)]

    def rows(self, world, now, chosen):
        found = [record[0] for record in self.dataset.records(world, now, chosen, chosen.names)]
        return [{field.key: row[field.name] for field in self.fields} for row in _ordered(found, self.order)]
