import json

from jsonschema import Draft202012Validator
from records import failed_record, make_record

from co3d_bench.bench.record import schema


def test_the_schema_file_is_up_to_date():
    assert schema.SCHEMA_FILE.read_text() == schema.render(), "run python -m co3d_bench.bench.record.schema"


def test_records_as_written_satisfy_the_schema():
    validator = Draft202012Validator(json.loads(schema.render()))
    for record in (make_record(), failed_record()):
        validator.validate(json.loads(record.model_dump_json()))
