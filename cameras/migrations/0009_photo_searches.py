"""Searches by photo over past sightings, and what they found."""

from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("cameras", "0008_movement"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='PhotoSearch',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('asked_by_name', models.CharField(max_length=150)),
                ('asked_at', models.DateTimeField(auto_now_add=True, db_index=True)),
                ('reason', models.CharField(max_length=500)),
                ('case_number', models.CharField(db_index=True, max_length=100)),
                ('since', models.DateTimeField(help_text='Sightings that began then or later; empty: from the first.', null=True)),
                ('until', models.DateTimeField(help_text='Sightings that began by then; empty: until it was asked for.', null=True)),
                ('cameras', models.JSONField(default=list, help_text='Ids; empty: all. One that was removed stays here: the search does not become wider.')),
                ('camera_names', models.TextField(blank=True, help_text='What was chosen, in words.')),
                ('least_similarity', models.FloatField(help_text='Candidates below it are not shown; empty: all are.', null=True)),
                ('pack', models.CharField(max_length=80)),
                ('threshold', models.FloatField(help_text="The pack's, from which a similarity counts as the same person.")),
                ('left_out', models.PositiveIntegerField(default=0, help_text='Faces of the photo that are too poor to be searched.')),
                ('people', models.PositiveIntegerField(default=0, help_text='Enrolled people who were compared.')),
                ('begun_at', models.DateTimeField(help_text='Empty: it is to be said yet which faces are meant.', null=True)),
                ('asked_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'photo searches',
                'ordering': ['-asked_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='SearchFace',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField(help_text='1 is the largest of the photo.')),
                ('quality', models.FloatField()),
                ('problems', models.TextField(blank=True, help_text='Sentences on what is poor about it.')),
                ('sealed', models.BinaryField()),
                ('sealed_picture', models.BinaryField()),
                ('search', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='faces', to='cameras.photosearch')),
            ],
            options={
                'ordering': ['number'],
            },
        ),
        migrations.CreateModel(
            name='PhotoSearchHit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(choices=[('people', 'Among enrolled people'), ('faces', 'Among faces of unknown people'), ('pictures', 'In stored pictures')], max_length=10)),
                ('rank', models.PositiveIntegerField(help_text='Among those of its source, from 1.')),
                ('similarity', models.FloatField()),
                ('threshold', models.FloatField(help_text='The similarity that was asked for.')),
                ('is_match', models.BooleanField(help_text='What the decision said.')),
                ('seen_at', models.DateTimeField(null=True)),
                ('camera_name', models.CharField(blank=True, max_length=200)),
                ('enhanced', models.CharField(blank=True, help_text='What was done to the enrolled photo.', max_length=300)),
                ('identity', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cameras.identity')),
                ('person', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='recognition.person')),
                ('sighting', models.ForeignKey(help_text='Its face resembles the photo most.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='cameras.sighting')),
                ('face', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='hits', to='cameras.searchface')),
            ],
            options={
                'ordering': ['source', 'rank', 'id'],
            },
        ),
        migrations.CreateModel(
            name='SearchPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(choices=[('people', 'Among enrolled people'), ('faces', 'Among faces of unknown people'), ('pictures', 'In stored pictures')], max_length=10)),
                ('state', models.CharField(choices=[('choosing', 'Which face?'), ('waiting', 'Waiting'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='waiting', max_length=10)),
                ('token', models.UUIDField(null=True)),
                ('times', models.PositiveIntegerField(default=0, help_text='How often it was taken after its runner had died.')),
                ('heartbeat_at', models.DateTimeField(null=True)),
                ('done', models.PositiveIntegerField(default=0)),
                ('total', models.PositiveIntegerField(default=0)),
                ('seconds', models.FloatField(default=0.0, help_text='That it was worked on.')),
                ('skipped', models.PositiveIntegerField(default=0, help_text='Pictures that show no usable face, or do not open.')),
                ('cursor_at', models.DateTimeField(help_text='With cursor_id: the sighting that was looked at last.', null=True)),
                ('cursor_id', models.UUIDField(null=True)),
                ('why', models.TextField(blank=True, help_text='Why it failed, or what was not searched; a sentence a line.')),
                ('finished_at', models.DateTimeField(null=True)),
                ('search', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='parts', to='cameras.photosearch')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='PhotoSearchLook',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user_name', models.CharField(max_length=150)),
                ('first_at', models.DateTimeField(auto_now_add=True)),
                ('last_at', models.DateTimeField()),
                ('search', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='looks', to='cameras.photosearch')),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['id'],
                'constraints': [models.UniqueConstraint(fields=('search', 'user'), name='one_row_a_looking_user')],
            },
        ),
        migrations.AddConstraint(
            model_name='searchface',
            constraint=models.UniqueConstraint(fields=('search', 'number'), name='one_row_a_searched_face'),
        ),
        migrations.AddConstraint(
            model_name='photosearchhit',
            constraint=models.CheckConstraint(condition=models.Q(('identity', None), ('person', None), ('sighting', None), _negated=True), name='search_hit_is_somebody'),
        ),
        migrations.AddIndex(
            model_name='searchpart',
            index=models.Index(condition=models.Q(('state__in', ['waiting', 'running'])), fields=['source', 'id'], name='search_parts_to_do'),
        ),
        migrations.AddConstraint(
            model_name='searchpart',
            constraint=models.UniqueConstraint(fields=('search', 'source'), name='one_part_a_source'),
        ),
    ]
