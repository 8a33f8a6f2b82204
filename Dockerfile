# One image for every process.  The locked packages are wheels, so nothing is compiled.
FROM python:3.11-slim

RUN useradd --create-home --uid 10001 huiyin && mkdir -p /data/keys /data/quarantine && chown -R huiyin /data
WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes --only-binary :all: --no-binary bagit -r requirements.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e .
USER huiyin
ENV HUIYIN_DATA_DIR=/data
ENTRYPOINT ["huiyin"]
CMD ["serve"]
