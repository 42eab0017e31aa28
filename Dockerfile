FROM python:3.13-slim AS packages
COPY requirements /requirements
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes --requirement /requirements/bootstrap.txt \
 && /venv/bin/uv pip install --no-cache --python /venv/bin/python --require-hashes --requirements /requirements/run.txt \
 && /venv/bin/pip uninstall --yes uv

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home holdfast \
 && install --directory --owner holdfast /state
COPY --from=packages /venv /venv
COPY . /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
# Keys for this one command only: nothing of them stays in the image.
RUN SECRET_KEY=for-the-build-only-0123456789-abcdefghijklmnopqrstuvwxyz \
    TOKEN_KEYS=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
    python manage.py collectstatic --no-input --verbosity 0
USER holdfast
EXPOSE 8000
CMD ["gunicorn", "--bind=0.0.0.0:8000"]
